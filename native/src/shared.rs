//! What the two threads have in common: calls that wait for Python, answers that wait for the wire.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::call::{CallState, Outcome};
use crate::connection::Connection;
use crate::grpc;
use crate::tallies::{Bounds, Ended, Tally};
use crate::tls::Acceptor;

/// A method whose calls go to a batch function.
pub struct Method {
    pub name: String,
    /// The field whose occurrences are counted in calls that are refused.
    pub counted: Option<u64>,
    /// How many of its calls may wait to be taken.
    pub most_waiting: usize,
}

/// Calls that found no room.
#[derive(Default)]
pub struct Refused {
    pub calls: AtomicU64,
    pub entries: AtomicU64,
}

type Answer = (oneshot::Sender<Outcome>, Outcome);

pub struct Shared {
    pub methods: Vec<Method>,
    pub by_path: HashMap<String, usize>,
    pub most_bytes: usize,
    pub bounds: Bounds,
    pub tls: Option<Acceptor>,
    /// Where gRPC listens for streams, and where the front's own ends of tunnels are.
    pub target: Option<PathBuf>,
    pub tunnels: Mutex<HashMap<String, Arc<Connection>>>,
    pub tunnel_number: AtomicU64,
    pub connections: AtomicUsize,
    pub refused: Vec<Refused>,
    pub answered: Notify,
    queues: Vec<Mutex<VecDeque<Arc<CallState>>>>,
    answers: Mutex<Vec<Answer>>,
    tallies: Mutex<Vec<Tally>>,
    event: OwnedFd,
    signalled: AtomicBool,
    pumping: AtomicBool,
}

impl Shared {
    pub fn new(
        methods: Vec<Method>,
        most_bytes: usize,
        bounds: Bounds,
        tls: Option<Acceptor>,
        target: Option<PathBuf>,
    ) -> io::Result<Self> {
        Ok(Shared {
            by_path: methods.iter().enumerate().map(|(index, each)| (each.name.clone(), index)).collect(),
            queues: methods.iter().map(|_| Mutex::default()).collect(),
            refused: methods.iter().map(|_| Refused::default()).collect(),
            tallies: Mutex::new(methods.iter().map(|_| Tally::new(&bounds)).collect()),
            methods,
            most_bytes,
            bounds,
            tls,
            target,
            tunnels: Mutex::default(),
            tunnel_number: AtomicU64::new(1),
            connections: AtomicUsize::new(0),
            answered: Notify::new(),
            answers: Mutex::default(),
            event: event()?,
            signalled: AtomicBool::new(false),
            pumping: AtomicBool::new(false),
        })
    }

    /// The file that is readable while calls wait that nobody was told of.
    pub fn event_fd(&self) -> i32 {
        self.event.as_raw_fd()
    }

    /// A call with its whole message. False where no more may wait: it is counted, and the caller is to be told.
    pub fn put(&self, call: Arc<CallState>) -> bool {
        let method = &self.methods[call.method];
        {
            let mut queue = locked(&self.queues[call.method]);
            if queue.len() >= method.most_waiting {
                drop(queue);
                self.refuse(&call, method);
                self.signal();
                return false;
            }
            queue.push_back(call);
        }
        self.signal();
        true
    }

    fn refuse(&self, call: &CallState, method: &Method) {
        let refused = &self.refused[call.method];
        refused.calls.fetch_add(1, Ordering::Relaxed);
        if let Some(field) = method.counted {
            refused.entries.fetch_add(grpc::occurrences(&call.message, field), Ordering::Relaxed);
        }
    }

    fn signal(&self) {
        if !self.signalled.swap(true, Ordering::AcqRel) {
            let one = 1_u64.to_ne_bytes();
            // SAFETY: eight bytes that live for the call, to a file that this object owns.
            unsafe { libc::write(self.event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }

    /// The loop has heard of what waits, and takes it now: answers wait for `flush`.
    pub fn begin(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: as above; the file does not block.
        unsafe { libc::read(self.event.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        self.signalled.store(false, Ordering::Release);
        self.pumping.store(true, Ordering::Release);
    }

    /// Up to so many calls of one method, in the order in which they came. Those that have waited for longer than `longest`
    /// are refused instead, and do not count.
    pub fn take(&self, method: usize, most: usize, longest: Option<Duration>) -> Vec<Arc<CallState>> {
        let mut found = Vec::new();
        let mut late = Vec::new();
        {
            let mut queue = locked(&self.queues[method]);
            while found.len() < most
                && let Some(call) = queue.pop_front()
            {
                match longest {
                    Some(longest) if call.arrived.elapsed() > longest => late.push(call),
                    _ => found.push(call),
                }
            }
        }
        for call in late {
            self.refuse(&call, &self.methods[method]);
            call.refuse(self);
        }
        found
    }

    /// Send what was answered since `begin`; gives whether calls still wait.
    pub fn flush(&self) -> bool {
        self.pumping.store(false, Ordering::Release);
        if !locked(&self.answers).is_empty() {
            self.answered.notify_one();
        }
        self.waiting() > 0
    }

    pub fn waiting(&self) -> usize {
        self.queues.iter().map(|each| locked(each).len()).sum()
    }

    pub fn answer(&self, to: oneshot::Sender<Outcome>, outcome: Outcome) {
        locked(&self.answers).push((to, outcome));
        if !self.pumping.load(Ordering::Acquire) {
            self.answered.notify_one();
        }
    }

    pub fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut *locked(&self.answers))
    }

    pub fn ended(&self, method: usize, ended: &Ended) {
        locked(&self.tallies)[method].add(&self.bounds, ended);
    }

    pub fn tallies(&self) -> Vec<Tally> {
        locked(&self.tallies).clone()
    }
}

/// What a thread that panicked left is still whole: each change under these locks is one step.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn event() -> io::Result<OwnedFd> {
    // SAFETY: a new file, owned by nobody else.
    let number = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
    if number < 0 { Err(io::Error::last_os_error()) } else { Ok(unsafe { OwnedFd::from_raw_fd(number) }) }
}
