package qemu

import (
	"strings"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// isHelper says whether a function only carries out what its caller asked for: the way an incident is
// reported, a lock, a list, a copy, an allocation. An incident in it is put down to its caller.
func isHelper(fn string) bool { return helperRE.MatchString(fn) }

// helpers are such functions by role: words of the kernel's own vocabulary, matched anywhere in a name (the same helper
// goes by kmalloc, __kmalloc_node and kmalloc_array_noprof) unless anchored. Which helper a new kernel adds to a
// role is not known, so a role's word is preferred to its functions' names.
var helpers = []string{
	// an incident noticed and reported
	`panic`, `warn_(?:slowpath|alloc|bogus)`, `__warn`, `ass(?:ert)?fail`, `(?:report|fixup|handle|imbalance)_bug`, `print_(?:report|address_description|usage_bug|unlock|tainted|hex_dump|trailer)`, `^object_err`, `get_taint$`, `hex_dump_to_buffer`,
	`(?:dump|show|walk)_stack`, `dump_backtrace`, `arch_stack_walk`, `stack_trace_(?:save|consume)`, `printk`, `va_format`, `^_*dev_(?:emerg|alert|crit|err|warn|notice|info)`, `__fortify_report`, `debug_object`, `(?:timer|work)_is_static_object`,
	// exceptions (arch/*/kernel/traps.c, arch/*/mm/fault.c)
	`invalid_op`, `do_error`, `do_trap|_trap$`, `program_check_(?:common|exception)`, `do_(?:kernel|translation)_fault`, `do_mem_abort`, `el1_abort`, `el1h_64_sync`,
	// sanitizers
	`kasan`, `hwasan`, `__asan`, `kmsan`, `__msan`, `__sanitizer`, `kcsan_setup_watchpoint`, `check_(?:memory_region|heap_object|object)`, `read_word_at_a_time`, `(?:read|write)_once_.*nocheck`, `__phys_addr`,
	// locks, atomics, interrupts off and on
	`lockdep`, `lock_(?:acquire|release|class|timer_base)`, `mark_lock`, `(?:mark|reacquire)_held_locks`, `(?:spin|read|write)_(?:un|try)?lock`, `raw_spin_rq`, `^(?:__|rt_)?mutex_`, `^down$`, `down_(?:read|write|trylock)`, `up_(?:read|write)`, `osq_(?:un)?lock`, `owner_on_cpu`, `bh_(?:en|dis)able`, `trace_(?:hard|soft)irq`, `seqprop_assert`, `perf_trace`,
	`atomic(?:64)?_(?:dec|inc|read|set|x?or|and|add|sub|fetch|xchg|cmpxchg|try)`, `(?:set|clear|change|test)_bit`,
	`might_(?:sleep|fault)`, `__might_resched`,
	// references, lists, trees
	`^(?:refcount|kref|klist)_`, `ref_tracker`, `kobject_`, `list_(?:add|del|replace|move|splice)`, `^(?:__)?rb_`, `xas_(?:start|load|find)`, `rhashtable_lookup`, `ida_free`, `^i(?:put|put_final|hold)$`, `dput`, `drop_nlink`, `^put_device$`,
	// memory and strings
	`mem(?:cpy|cmp|set|chr|move|dup)`, `str(?:n?cmp|l?cpy|ncpy|scpy|n?len|n?str|chr|n?dup)`, `string`, `pointer`, `sc?nprintf`, `kv?asprintf`, `^crc\d+|crc_itu_t`, `(?:get|put)_user`, `copy_(?:to|from)_(?:user|iter)`, `copy_(?:page|folio)_(?:to|from)_iter`, `^copy(?:in|out)$`, `extract_(?:user|iter)_to_sg`, `_(?:indirect|return)_thunk|^(?:srso|retbleed|clear_bhb)_`, `(?:read|write)[bwlq]$`, `logic_(?:in|out)`,
	// allocation, page cache
	`k?v?[mzc]alloc`, `krealloc`, `kmem_cache`, `slab_`, `allocate_slab`, `alloc_page`, `__alloc_frozen_pages`, `folio_(?:alloc|unlock)`, `filemap_(?:alloc|get)_folio`, `(?:pagecache_get|find_or_create|read_cache|grab_cache)_page`, `read_cache_folio`, `find_lock_entries`, `truncate_inode_pages_range`, `^(?:un)?lock_page`, `^kv?free$`, `kfree_skb`,
	// timers, work, waiting
	`del_timer`, `^mod_timer`, `timer_delete_sync`, `sk_stop_timer_sync`, `queue_(?:delayed_)?work`, `insert_work`, `flush_work`, `cancel_work_(?:sync|timer)`, `try_to_grab_pending`, `(?:drain|destroy)_workqueue`, `__wake_up`, `finish_wait`, `^complete$`, `wait_for_completion`, `kthread_stop`, `cleanup_srcu_struct`,
	// the device model's and USB's own way down to a driver
	`device_(?:add|del|destroy|unregister|release|for_each_child|remove_file)`, `devres_release_all`, `get_device_parent`, `add_uevent_var`, `sysfs_remove`, `hwrng_unregister`, `i2c_del_adapter`, `__unregister_client`, `tty_unregister_device`, `rollback_registered`, `unregister_netdev`,
	`usb_(?:kill_urb|kill_anchored_urbs|control_msg|hcd_submit_urb|submit_urb)`, `dummy_urb_enqueue`,
}

var helperRE = pattern.New(strings.Join(helpers, "|"))
