//! What is asked of the operating system. In: a core, a priority, this process's memory. Out: granted or why not.
//!
//! On Linux; elsewhere nothing is granted and nothing is known.

#![allow(unsafe_code)]

use crate::error::{Error, ErrorKind, Result};

/// Whether this process may have real-time threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealTime {
    /// The highest priority that limits allow (RLIMIT_RTPRIO); `None` where the system does not say.
    pub limit: Option<u64>,
    /// What the system said where it refused.
    pub refusal: Option<String>,
}

impl RealTime {
    /// A thread was given the lowest real-time priority.
    pub fn granted(&self) -> bool {
        self.refusal.is_none()
    }
}

/// Locks what this process has in memory, and what it will touch, so that none of it is ever read from a swap file.
/// Mapped files are locked page by page as they are used.
///
/// Errors: `OutOfMemory` where limits forbid it, with the limit; `Unsupported` elsewhere than on Linux.
#[cfg(target_os = "linux")]
pub fn lock_memory() -> Result<()> {
    // SAFETY: the call takes flags alone, and changes no memory.
    if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) } == 0 {
        return Ok(());
    }
    let e = std::io::Error::last_os_error();
    let limit = limit(libc::RLIMIT_MEMLOCK).map_or("a limit".to_owned(), |bytes| format!("{} KB", bytes >> 10));
    let message =
        format!("memory cannot be locked ({e}); this user may lock {limit}: raise memlock in limits.conf, or");
    Err(Error::new(ErrorKind::OutOfMemory, format!("{message} LimitMEMLOCK= of the service")).with_source(e))
}

#[cfg(not(target_os = "linux"))]
pub fn lock_memory() -> Result<()> {
    Err(Error::new(ErrorKind::Unsupported, "memory can be locked on Linux alone: leave the option out"))
}

/// Has the allocator keep what is given back of the heap, and return large blocks to the system, for the whole process: a
/// program's decision, not a library's. Blocks that come and go while somebody speaks, as llama.cpp's do, then find room
/// that is there: without a page fault in the middle of speech, and without the heap growing by a page whenever their
/// order leaves a gap. A session's cache goes when the session does; unasked, glibc keeps whatever it has seen once.
///
/// With glibc; elsewhere nothing is done.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_heap() {
    /// A smaller cache than this is not worth a call of the system.
    const LARGE_BYTES: libc::c_int = 1 << 20;
    // SAFETY: each call sets a number in the allocator, under its lock.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_heap() {}

/// Touches so much of the calling thread's heap, so that it is there where the allocator keeps it ([`keep_heap`]).
pub fn touch_heap(bytes: usize) {
    /// Far below the size from which a block is returned to the system when it is given back.
    const BLOCK_BYTES: usize = 64 << 10;
    let blocks = (0..bytes.div_ceil(BLOCK_BYTES)).map(|_| vec![1u8; BLOCK_BYTES]);
    drop(std::hint::black_box(blocks.collect::<Vec<_>>()));
}

/// Tries a real-time priority, on a thread of its own.
#[cfg(target_os = "linux")]
pub fn real_time() -> RealTime {
    let attempt = std::thread::spawn(|| {
        let parameters = libc::sched_param { sched_priority: 1 };
        // SAFETY: thread 0 is the calling one; the structure outlives the call.
        match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) } {
            0 => None,
            _ => Some(std::io::Error::last_os_error().to_string()),
        }
    });
    let refusal = attempt.join().unwrap_or_else(|_| Some("the attempt failed".to_owned()));
    RealTime { limit: limit(libc::RLIMIT_RTPRIO), refusal }
}

#[cfg(not(target_os = "linux"))]
pub fn real_time() -> RealTime {
    RealTime { limit: None, refusal: Some("not known on this system".to_owned()) }
}

/// A limit of this process; the largest number stands for none.
#[cfg(target_os = "linux")]
fn limit(which: libc::__rlimit_resource_t) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is written by the call, and outlives it.
    (unsafe { libc::getrlimit(which, &mut limit) } == 0).then_some(limit.rlim_cur)
}

/// Where a thread may run.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
pub struct Cores(libc::cpu_set_t);

#[cfg(target_os = "linux")]
impl std::fmt::Debug for Cores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries((0..libc::CPU_SETSIZE as usize).filter(|&core| self.holds(core))).finish()
    }
}

#[cfg(target_os = "linux")]
impl Cores {
    /// Where the calling thread may run now.
    pub fn current() -> Option<Self> {
        // SAFETY: an all-zero set is an empty one; the call writes at most its size.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            (libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) == 0).then_some(Self(set))
        }
    }

    /// Those of `cores` that a set can hold.
    pub fn of(cores: &[usize]) -> Self {
        // SAFETY: as above; the numbers are below the set's size.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize).for_each(|&c| libc::CPU_SET(c, &mut set));
            Self(set)
        }
    }

    fn holds(&self, core: usize) -> bool {
        // SAFETY: the number is below the set's size.
        core < libc::CPU_SETSIZE as usize && unsafe { libc::CPU_ISSET(core, &self.0) }
    }

    /// Keeps the calling thread on these. False where the system has none of them.
    pub fn keep_to(&self) -> bool {
        // SAFETY: thread 0 is the calling one; the set outlives the call.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &self.0) == 0 }
    }
}

/// Where a thread may run: not known here.
#[cfg(not(target_os = "linux"))]
#[derive(Clone, Copy, Debug)]
pub struct Cores;

#[cfg(not(target_os = "linux"))]
impl Cores {
    pub fn current() -> Option<Self> {
        None
    }

    pub fn of(_: &[usize]) -> Self {
        Self
    }

    pub fn keep_to(&self) -> bool {
        false
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_to_a_core_and_back() {
        std::thread::spawn(|| {
            let before = Cores::current().unwrap();
            let first = (0..libc::CPU_SETSIZE as usize).find(|&core| before.holds(core)).unwrap();
            assert!(Cores::of(&[first]).keep_to());
            assert_eq!(format!("{:?}", Cores::current().unwrap()), format!("[{first}]"));
            assert!(before.keep_to());
            assert_eq!(format!("{:?}", Cores::current().unwrap()), format!("{before:?}"));
            assert!(!Cores::of(&[100_000]).keep_to());
        })
        .join()
        .unwrap();
    }

    #[cfg(target_env = "gnu")]
    #[test]
    fn heap_that_was_reserved_costs_no_page_faults_later() {
        fn page_faults() -> i64 {
            // SAFETY: an all-zero structure is a valid one; the call writes at most its size.
            unsafe {
                let mut usage: libc::rusage = std::mem::zeroed();
                assert_eq!(libc::getrusage(libc::RUSAGE_THREAD, &mut usage), 0);
                usage.ru_minflt
            }
        }
        std::thread::spawn(|| {
            keep_heap();
            touch_heap(2 << 20);
            let before = page_faults();
            let blocks: Vec<Vec<u8>> = (0..16).map(|_| std::hint::black_box(vec![1; 64 << 10])).collect();
            let faults = page_faults() - before;
            assert!(faults < 64, "{faults} page faults in {} pages", 64 / 4 * blocks.len());
        })
        .join()
        .unwrap();
    }

    /// Takes the right to any priority (CAP_SYS_NICE) from the calling thread and those that it starts.
    fn give_up_priorities() {
        #[repr(C)]
        struct Header {
            version: u32,
            thread: i32,
        }
        #[repr(C)]
        #[derive(Clone, Copy, Default)]
        struct Sets {
            effective: u32,
            permitted: u32,
            inheritable: u32,
        }
        // Of linux/capability.h.
        const VERSION_3: u32 = 0x2008_0522;
        const SYS_NICE: u32 = 23;
        let header = Header { version: VERSION_3, thread: 0 };
        let mut sets = [Sets::default(); 2];
        // SAFETY: of this version the kernel reads the header and reads or writes two sets; both outlive the calls.
        unsafe {
            assert_eq!(libc::syscall(libc::SYS_capget, &header, &mut sets), 0);
            sets[0].effective &= !(1 << SYS_NICE);
            assert_eq!(libc::syscall(libc::SYS_capset, &header, &sets), 0);
        }
    }

    #[test]
    fn a_thread_that_may_not_be_real_time_is_refused_and_told_why() {
        let refused = std::thread::spawn(|| {
            // SAFETY: the call reads the structure, which outlives it. Lowering a limit needs no right.
            unsafe {
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                assert_eq!(libc::setrlimit(libc::RLIMIT_RTPRIO, &none), 0);
            }
            give_up_priorities();
            real_time()
        });
        let refused = refused.join().unwrap();
        assert!(!refused.granted());
        assert_eq!(refused.limit, Some(0));
        assert!(refused.refusal.unwrap().contains("not permitted"));
    }
}
