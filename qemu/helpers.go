package qemu

import (
	"regexp"
	"strings"
)

// isHelper says whether a function only carries out what its caller asked for: the way an exception is
// reported, a lock, a list, a copy, an allocation.
func isHelper(fn string) bool {
	name := strings.TrimLeft(fn, "_")
	if name == "" {
		return true
	}
	if r := helperRE[name[0]]; r != nil && r.MatchString(fn) {
		return true
	}
	return helperRE[0].MatchString(fn)
}

// helpers lists such functions by subject, each a pattern for the whole name.
var helpers = []string{
	// reporting
	`(?:__)?dump_(?:stack|backtrace|page)\w*`, `show_(?:stack|trace|regs)\w*`, `unwind_\w*backtrace\w*`, `v?panic`, `nmi_panic`, `check_panic_on_warn`, `panic_on_\w+`,
	`_*warn\w*`, `warn_slowpath\w*`, `_*report_bug`, `fixup_bug`, `handle_bug`, `print_tainted`, `_*die\w*`, `oops_\w+`, `crash_\w+`, `_*bug_handler`, `call_break_hook`,
	`brk_handler`, `__bad_\w+`, `no_context`, `bad_area\w*`, `_*bad_area_nosemaphore`, `page_fault_oops`, `kernelmode_fixup_or_oops`, `_*do_(?:page_fault|user_addr_fault|kern_addr_fault|kernel_fault|translation_fault|mem_abort|debug_exception|sp_pc_abort|DataAbort|PrefetchAbort|undefinstr|alignment)`, `do_user_fault`, `handle_page_fault`,
	`do_(?:trap|error_trap|trap_no_signal|invalid_op|general_protection|divide_error|double_fault|int3|invalid_TSS|ade|bp|el\d\w*)`, `(?:asm_)?exc_\w+`, `(?:async_)?page_fault`, `(?:invalid_op|general_protection|divide_error|double_fault|error_entry|error_exit|stack_segment|error_code|int3)`,
	`common_exception\w*`, `el[01]\w*_(?:sync|dbg|brk64|abort|undef)\w*`, `el1\w*`, `_*(?:dabt|pabt|und|irq)_(?:svc|usr)\w*`, `print_(?:address_description|report|error_description|circular_bug|usage_bug|\w*stall\w*|\w*bug\w*|unlock_imbalance\w*|bad_irq\w*|kernel_ident)`, `end_report`, `object_err`, `slab_err`, `slab_bug`, `print_trailer`, `slab_pad_check`, `check_bytes_and_report`, `ret_from_exception`, `handle_exception`, `do_trap_\w+`, `__stack_chk_fail`, `fortify_panic`, `__fortify_\w+`, `usercopy_abort`, `__check_object_size`, `__check_heap_object`, `check_(?:heap_object|object_size|copy_size|memory_region\w*)`, `__phys_addr\w*`, `_*virt_to_phys\w*`, `debug_print_object`, `_*debug_(?:object|check|print|smp|locks|timer|work|rcu)\w*`, `rcu_lockdep\w*`, `lockdep_\w+`, `(?:__)?might_(?:sleep|fault|lock|alloc)\w*`, `_*might_resched`, `_{2,4}might_\w+`, `__schedule_bug`, `ubsan_\w+`, `nmi_\w*backtrace\w*`, `arch_trigger_\w+`, `trigger_\w+backtrace\w*`, `bust_spinlocks`, `_?printk`, `vprintk\w*`, `should_fail\w*`, `fail_dump`, `watchdog\w*`, `check_hung_\w+`, `bad_page\w*`, `(?:free_page_is_bad|check_new_page\w*|free_pages_check|free_pcp_prepare|free_page_is_bad_report)\w*`,
	// sanitizers
	`\w*(?:kasan|kmsan|kcsan|ubsan|kfence|asan_|tsan_|msan_|kmemleak|kcov|sanitizer)\w*`, `qlist_\w+`, `quarantine_\w+`, `(?:save|set|stack_depot)_(?:stack|track)\w*`, `stack_trace_\w+`, `__stack_depot\w+`, `save_trace`, `bytes_is_nonzero`, `memory_is_\w+`, `val_to_string`,
	// locks and atomics
	`_*(?:do_)?(?:raw_)?_*(?:spin|read|write|rwlock|queued_spin|queued_read|queued_write|queue_read|queue_write|arch_spin|native_queued_spin|ticket_spin|pv_queued_spin)_(?:un|try)?_?lock\w*`, `spin_(?:bug|dump)\w*`, `rwlock_bug`, `raw_spin_\w+`, `_*(?:mutex|ww_mutex|rt_mutex|rwsem|down|up)(?:_\w+)?`, `_*(?:percpu_)?(?:down|up)_(?:read|write)\w*`, `lock_(?:acquire|release|acquired|contended|is_held\w*|release_\w+|downgrade|set_class|pin\w*|unpin\w*|sock\w*)`, `_*lock_(?:acquire|release)\w*`, `release_sock`, `register_lock_class`, `look_up_lock_class`, `assign_lock_key`, `check_(?:prev\w*|deadlock|irq\w*|noncircular|flags|wait_context|lock_unlocked\w*|usage\w*|unlock\w*|no_locks\w*)`, `validate_chain`, `mark_(?:lock\w*|held_locks|usage)`, `reacquire_\w+`, `valid_state`, `add_lock_to_list`, `lookup_chain_cache\w*`, `_*trace_\w+`, `perf_trace_lock\w*`, `__perf_trace\w*`, `call_rwsem\w+`, `_*(?:raw_|arch_|native_|instrument_)?atomic(?:64|_long)?_\w+`, `_atomic_dec_and_\w*lock\w*`, `_*(?:test|set|clear|change)_(?:and_(?:set|clear|change)_)?bit\w*`, `bit_spin_\w*lock`, `arch_\w+bit\w*`, `instrument_\w+`, `(?:__)?(?:cmp)?xchg\w*`, `do_raw_\w+`, `osq_\w+`, `local_bh_\w+`, `_*local_bh_\w+`, `seqcount_\w+`, `read_seq\w+`, `write_seq\w+`, `rcu_(?:read_\w*lock\w*|lock_\w+|is_watching|note_context_switch|preempt_\w+|dynticks\w*|dereference\w*)`, `_*rcu_read_\w+`, `srcu_read_\w+`, `preempt_\w+`, `_*preempt_\w+`,
	// references, lists, trees, maps
	`refcount_\w+`, `_*refcount_\w+`, `kref_\w+`, `kobject_\w+`, `_*kobj\w+`, `add_uevent_var`, `dpm_sysfs\w+`, `sysfs_\w+`, `internal_create_group\w*`, `device_(?:add|del|register|unregister|create\w*|destroy)`, `i2c_(?:add|del|register)_\w*adapter\w*`, `k?v?asprintf\w*`, `kvasprintf_const`, `kstrdup_const`, `perf_trace_init`, `folio_unlock`, `folio_end_\w+`, `kernel_fpu_begin\w*`, `_*list_(?:add|del|move|replace|splice|cut|empty|is)\w*`, `_*hlist_\w+`, `_*llist_\w+`, `rb_\w+`, `_*rb_\w+`, `bitmap_\w+`, `_*bitmap_\w+`, `_?find_(?:next|first|last)_\w*bit\w*`, `plist_\w+`, `klist_\w+`, `_*kfifo_\w+`, `sbitmap_\w+`, `jhash\w*`, `hash_\w*lookup`, `crc\w+`, `\w*_crc\w*_le`, `siphash\w*`,
	// memory and strings
	`_*mem(?:cpy|set|cmp|move|chr|scan|dup|chr_inv|zero|eq)\w*`, `mem_\w*serial\w*`, `strn?(?:cpy|cmp|len|cat|chr|str|casecmp|dup|sep|pbrk|spn|scpy|lcpy|rchr|dup_user)\w*`, `strl?scpy\w*`, `sized_strscpy`, `_*(?:raw_)?_*copy_(?:to|from|in)_(?:user|iter|kernel)\w*`, `_?copy_(?:to|from)_iter\w*`, `_*copy_user\w*`, `copyout\w*`, `copyin\w*`, `copy_page\w*`, `clear_(?:page|huge|user|highpage)\w*`, `_*(?:get|put)_user\w*`, `get_unaligned\w*`, `put_unaligned\w*`, `_*iov_iter_\w+`, `iter\w*_to_iovec`, `rep_(?:movs|stos)\w*`, `v?sn?c?n?printf`, `string`, `string_nocheck`, `number`, `pointer`, `kstr\w+`, `_*hex_\w+`, `_*nla_\w+`, `_*skb_(?:put|push|pull|trim|panic|over_panic|under_panic)\w*`, `_*kfree_skb\w*`, `consume_skb`, `csum_\w+`, `do_csum`,
	// allocation
	`\w*kmalloc\w*`, `_*(?:do_)?k[mz]alloc\w*`, `_*kcalloc\w*`, `krealloc\w*`, `_*kv?[mz]?alloc_?(?:node|array|track\w*|noprof)\w*`, `_*k?v?free(?:_sensitive|_rcu|_const)?`, `kvfree\w*`, `kmem_cache_(?:alloc|free|shrink|destroy)\w*`, `kmem_cache_\w+`, `_*kmem_cache_\w+`, `slab_\w+`, `_*slab_\w+`, `_{2,3}slab_\w+`, `_{2,3}cache_\w+`, `cache_(?:alloc|free|grow)\w*`, `alloc_debug_\w+`, `free_debug_\w+`, `alloc_consistency\w*`, `free_consistency\w*`, `new_slab\w*`, `do_slab_free`, `free_slab`, `discard_slab`, `allocate_slab`, `alloc_slab_page`, `_*v[mz]alloc\w*`, `vfree\w*`, `_*vunmap\w*`, `kvmalloc\w*`, `_*alloc_pages\w*`, `alloc_page\w*`, `_*get_free_pages?`, `get_page_from_freelist`, `prep_\w*page\w*`, `rmqueue\w*`, `get_zeroed_page`, `_*free_pages\w*`, `free_unref_\w+`, `__free_page\w*`, `free_(?:pcppages|one_page|hot_cold)\w*`, `(?:__)?percpu_alloc\w*`, `pcpu_\w+`, `poison_\w+`, `check_(?:slab|object|poison\w*|bytes\w*)`, `init_object`, `_*put_page\w*`, `_*folio_put\w*`, `put_page`, `get_page`, `try_get_page`, `_*alloc_skb\w*`, `mempool_\w+`, `freelist_\w+`, `get_freepointer\w*`, `_*dma_(?:alloc|free|map)\w*`, `page_frag_\w+`,
	// timers and work
	`_*(?:mod|add|del|delete|detach|try_to_del|timer)_timer\w*`, `lock_timer_base`, `_*timer_(?:delete|init|del)\w*`, `try_to_del_\w+`, `enqueue_timer`, `detach_\w+timer`, `internal_add_timer`, `_*init_timer\w*`, `hrtimer_\w+`, `_*hrtimer_\w+`, `sk_(?:stop|reset)_timer\w*`, `_*queue_(?:delayed_)?work\w*`, `_*flush_work\w*`, `flush_delayed_work`, `start_flush_work`, `_*cancel_(?:delayed_)?work\w*`, `try_to_grab_pending`, `mod_delayed_work\w*`, `schedule_(?:delayed_)?work\w*`, `get_work_pool`, `insert_work`, `_*wake_up\w*`, `try_to_wake_up`, `complete(?:_all)?`, `prepare_to_wait\w*`, `finish_wait`, `check_preemption_disabled`, `__this_cpu_preempt_check`, `do_tag_\w+`, `autoremove_wake\w*`, `default_wake_\w+`, `kthread_(?:stop|create|bind|park|should)\w*`, `_*kthread_(?:stop|create)\w*`,
	// scheduler, entry and the like
	`__switch_to\w*`, `schedule(?:_idle|_preempt_disabled|_timeout\w*)?`, `__schedule`, `context_switch`, `preempt_schedule\w*`, `io_schedule\w*`, `wait_for_\w*completion\w*`, `_*cond_resched\w*`, `dequeue_task\w*`, `enqueue_task\w*`, `_*local_irq_\w+`, `arch_local_\w+`, `native_(?:write|read|irq|save|restore|safe)\w*`, `smp_reboot_interrupt`, `reboot_interrupt`, `ret_from_\w+`, `entry_SYSCALL\w*`, `0x[0-9a-f]+`, `_?text`, `_?etext`, `_?stext`, `__x86_(?:indirect_thunk|return_thunk)\w*`, `retpoline\w*`, `entry_\w+`, `do_syscall_64`, `do_fast_syscall_32`, `__fput_sync`, `call_rcu_\w+`, `_*init_work`, `WARN_ON\w*`, `usb_submit_urb`, `IS_ERR\w*`, `ERR_PTR`, `current_\w+`, `get_current`, `rdmsr\w*`, `__rdmsr`, `__wrmsr`, `wrmsr\w*`, `paravirt_\w+`, `dput`, `fast_dput`, `retain_dentry`, `dget`, `d_set_d_op`, `iput`, `igrab`, `mntput\w*`,
}

// helperRE is one pattern for each first byte after the underscores (one big pattern is slow), and at 0 one
// for the helpers whose first byte varies.
var helperRE = func() (table [256]*regexp.Regexp) {
	var lists [256][]string
	for _, h := range helpers {
		k := byte(0)
		if m := firstLetterRE.FindStringSubmatch(h); m != nil {
			k = m[1][0]
		}
		lists[k] = append(lists[k], h)
	}
	for k, list := range lists {
		if list != nil {
			table[k] = regexp.MustCompile(`^(?:` + strings.Join(list, "|") + `)$`)
		}
	}
	return table
}()

// firstLetterRE finds the letter a helper's pattern begins with, if there is one.
var firstLetterRE = regexp.MustCompile(`^(?:_\*|_\?|_\{\d,\d\}|\(\?:__\)\?|_)*([A-Za-z])[^?*]`)
