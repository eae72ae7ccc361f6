package testplan

import (
	"strings"
	"sync"

	"github.com/seriesctl/seriesctl/internal/pattern"
)

// frameClass is what a frame's function tells.
type frameClass struct {
	fn                                    string // "" for what is none
	generic, entry, vfs, forOthers, fault bool
}

// classes are those of the frames seen lately: the stacks of a matrix are much alike. When there are too many they begin anew: a
// guest may invent them.
var classes struct {
	sync.Mutex
	of map[string]*frameClass // nobody changes one
}

const mostClasses = 4096

func classify(frame string) *frameClass {
	classes.Lock()
	defer classes.Unlock()
	if c := classes.of[frame]; c != nil {
		return c
	}
	if classes.of == nil || len(classes.of) == mostClasses {
		classes.of = map[string]*frameClass{}
	}
	fn := frameFunction(frame)
	c := &frameClass{fn, generic.MatchString(fn), entry.MatchString(fn), vfs.MatchString(fn), forOthers.MatchString(fn), pageFault.MatchString(fn)}
	classes.of[frame] = c
	return c
}

// pageFault is a function in the stack of a task that takes a page fault, by itself or for the kernel's copying.
var pageFault = pattern.New(`^(?:(?:asm_)?exc_page_fault|_*do_page_fault|do_user_addr_fault|_*handle_mm_fault|faultin_page|fixup_user_fault|__get_user_pages|fault_in_.*)$`)

var (
	// generic are the ways into the scheduler and the locking primitives: who called them is what matters.
	generic = pattern.New(`^(?:` + strings.Join([]string{
		`__switch_to(?:_asm)?`, `context_switch`, `_*schedule(?:_.*)?`, `io_schedule(?:_.*)?`, `preempt_schedule(?:_.*)?`,
		`bit_wait(?:_.*)?`, `_*wait_on_bit(?:_.*)?`, `out_of_line_wait_on_bit(?:_.*)?`, `_*wait_on_page_bit(?:_.*)?`, `_*wait_on_buffer`,
		`_*wait_on_page_writeback`, `folio_wait_(?:bit|writeback).*`, `_*folio_lock(?:_.*)?`, `_*lock_page(?:_.*)?`, `_*lock_buffer`,
		`rwsem_.*`, `_*down_(?:read|write).*`, `_*down(?:_.*)?`, `call_rwsem_down_.*`, `percpu_rwsem_wait.*`, `_*percpu_down_read.*`,
		`_*mutex_lock(?:_.*)?`, `_*wait_for_completion(?:_.*)?`, `_*wait_for_common(?:_.*)?`, `do_wait_for_common`,
		`prepare_to_wait(?:_.*)?`, `finish_wait`, `_*raw_spin_.*`, `_*spin_lock.*`, `queued_spin_lock_slowpath`, `native_queued_spin_.*`,
		`rt_mutex_.*`, `__rt_mutex_.*`, `cond_resched`, `_cond_resched`, `__cond_resched`, `cpu_relax`, `delay_.*`, `__?delay`,
		// A file system's own locks, taken from many places.
		`gfs2_glock_(?:wait|nq|nq_m|poll)`, `wait_on_holder`, `xfs_ilock(?:_.*)?`, `btrfs_(?:tree|inode)_lock`, `inode_lock(?:_.*)?`,
		`asm_sysvec_.*`, `sysvec_.*`, `asm_common_interrupt`, `common_interrupt`, `ret_from_intr`, `irq_exit.*`, `nmi_.*`, `asm_exc_nmi`,
	}, "|") + `)$`)
	// forOthers are waits for another task of user space.
	forOthers = pattern.New(`^(?:do_wait|kernel_wait4?|kernel_waitid|do_exit|do_sigtimedwait|sigsuspend|do_pause|pipe_(?:read|write|wait).*|wait_for_partner|` +
		`futex_.*|do_futex|__futex_wait|do_nanosleep|hrtimer_nanosleep|do_sys_poll|do_poll.*|do_select|ep_poll|do_epoll_wait|unix_stream_.*|` +
		`__skb_wait_.*|n_tty_read|wait_woken|ptrace_stop|do_signal_stop|vfork_done|wait_for_vfork_done|kernel_clone|_do_fork)$`)
	// entry is the way from a page fault or system call to what handles it: the same in every stack.
	entry = pattern.New(`^(?:(?:asm_)?exc_.*|_*handle_mm_fault|do_user_addr_fault|_*do_fault|do_shared_fault|do_read_fault|do_cow_fault|` +
		`copy_user_.*|rep_movs_.*|do_syscall_64|entry_SYSCALL_.*|_*(?:x64_|do_)?sys_.*)$`)
	// vfs is what lies between a system call's entry and the file system.
	vfs          = pattern.New(`^(?:vfs_.*|new_sync_.*|ksys_.*|do_iter_.*|do_p?(?:read|write)v2?|call_(?:read|write)_iter|do_preadv|do_pwritev|ret_from_fork(?:_asm)?)$`)
	kernelThread = map[string]bool{"kthread": true, "worker_thread": true, "rescuer_thread": true}
	// frame is one line of /proc/PID/stack or of a trace, without its address: "func+0x12/0x34 [module]".
	frame  = pattern.New(`^(?:\[<[0-9a-fx]+>\]\s*)?([A-Za-z_][A-Za-z0-9_.]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?:\s+\[[a-z0-9_]+\])?$`)
	suffix = pattern.New(`\.(?:isra|constprop|part|cold|llvm|lto_priv)(?:\.[0-9]+)*`)
)

// frameFunction returns a frame's function; "" for what is none or what the unwinder doubts ("? func").
func frameFunction(s string) string {
	m := frame.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return ""
	}
	return baseFunction(m[1])
}

// baseFunction cuts off what the compiler adds to the names of clones, which differs from build to build.
func baseFunction(s string) string { return suffix.ReplaceAllString(s, "") }
