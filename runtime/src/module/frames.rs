//! Which methods of a module are running, and the names given out in them.

use std::any::Any;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use smallvec::SmallVec;

use crate::scope::Scope;

/// The running methods of one module, thread by thread: one bound model may be called from several threads at once.
#[derive(Default)]
pub(super) struct Frames {
    threads: SmallVec<[ThreadFrames; 1]>,
    /// The frames that have begun so far.
    count: u64,
}

struct ThreadFrames {
    thread: ThreadId,
    frames: SmallVec<[MethodFrame; 1]>,
    /// The running methods, innermost last; with a frame of its own for the submodules of one that is a scope.
    methods: SmallVec<[Option<MethodFrame>; 2]>,
}

/// What lasts from the outermost compact method of a module to its end, or for its setup.
pub(super) struct MethodFrame {
    /// Compact methods calling each other share a frame, and so count their submodules together.
    depth: usize,
    pub in_setup: bool,
    /// The scope of a method that is a scope of its own.
    pub scope: Option<Scope>,
    counters: NameCounters,
    /// Its number in the module, by which it takes names.
    pub number: u64,
    /// Shared modules that are submodules for as long as the frame lasts.
    pub kept: Vec<Box<dyn Any + Send + Sync>>,
}

/// The numbers of a type's names so far.
type NameCounters = SmallVec<[(&'static str, usize); 4]>;

/// The names that a running method has given out to submodules.
pub(crate) struct NamesGivenOut {
    /// The scope of the method, if it is one of its own.
    pub scope: Option<Scope>,
    own: NameCounters,
    of_submodules: NameCounters,
}

impl Frames {
    pub fn names_given_out(&mut self) -> Option<NamesGivenOut> {
        let own = self.own()?.counters.clone();
        let frame = self.of_submodules()?;
        Some(NamesGivenOut { scope: frame.scope.clone(), own, of_submodules: frame.counters.clone() })
    }

    pub fn set_names_given_out(&mut self, names: &NamesGivenOut) {
        if let Some(frame) = self.own() {
            frame.counters.clone_from(&names.own);
        }
        if let Some(frame) = self.of_submodules() {
            frame.counters.clone_from(&names.of_submodules);
        }
    }

    /// The frame of the module's own names on this thread.
    pub fn own(&mut self) -> Option<&mut MethodFrame> {
        self.of_this_thread()?.frames.last_mut()
    }

    /// The frame of the running method's submodules on this thread.
    pub fn of_submodules(&mut self) -> Option<&mut MethodFrame> {
        let ThreadFrames { frames, methods, .. } = self.of_this_thread()?;
        methods.last_mut().and_then(Option::as_mut).or(frames.last_mut())
    }

    pub fn in_setup(&mut self) -> bool {
        self.of_this_thread().is_some_and(|mine| mine.frames.iter().any(|frame| frame.in_setup))
    }

    fn of_this_thread(&mut self) -> Option<&mut ThreadFrames> {
        let thread = thread::current().id();
        self.threads.iter_mut().find(|frames| frames.thread == thread)
    }

    fn of_this_thread_or_new(&mut self) -> &mut ThreadFrames {
        let thread = thread::current().id();
        let index = self.threads.iter().position(|frames| frames.thread == thread).unwrap_or_else(|| {
            self.threads.push(ThreadFrames { thread, frames: SmallVec::new(), methods: SmallVec::new() });
            self.threads.len() - 1
        });
        &mut self.threads[index]
    }

    pub fn enter_compact(&mut self) {
        let frame = self.frame(false, None);
        self.of_this_thread_or_new().enter(frame, None);
    }

    pub fn enter_setup(&mut self) {
        let frame = self.frame(true, None);
        let mine = self.of_this_thread_or_new();
        mine.frames.push(frame);
        mine.methods.push(None);
    }

    pub fn enter_scope(&mut self, scope: Scope) {
        let (own, of_method) = (self.frame(false, None), self.frame(false, Some(scope)));
        self.of_this_thread_or_new().enter(own, Some(of_method));
    }

    fn frame(&mut self, in_setup: bool, scope: Option<Scope>) -> MethodFrame {
        self.count += 1;
        let (number, depth) = (self.count, 1);
        MethodFrame { depth, in_setup, scope, counters: SmallVec::new(), number, kept: Vec::new() }
    }

    /// Ends the innermost method; the next call of the module gives out the same names again.
    ///
    /// Returns the frames that ended, for the caller to drop outside of locks, and the number of the one whose names are free.
    pub fn exit(&mut self) -> ([Option<MethodFrame>; 2], Option<u64>) {
        let Some(mine) = self.of_this_thread() else { return ([None, None], None) };
        let of_method = mine.methods.pop().flatten();
        let (mut own, mut released) = (None, None);
        if let Some(frame) = mine.frames.last_mut() {
            frame.depth -= 1;
            if of_method.is_none() || frame.depth == 0 {
                released = Some(frame.number);
            }
            if frame.depth == 0 {
                own = mine.frames.pop();
            }
        }
        self.threads.retain(|frames| !frames.methods.is_empty());
        ([of_method, own], released)
    }
}

impl ThreadFrames {
    fn enter(&mut self, new: MethodFrame, of_method: Option<MethodFrame>) {
        match self.frames.last_mut() {
            Some(frame) => frame.depth += 1,
            None => self.frames.push(new),
        }
        self.methods.push(of_method);
    }
}

impl MethodFrame {
    /// `Dense_0`, `Dense_1`, …
    pub fn next_name(&mut self, class: &'static str) -> Arc<str> {
        let index = match self.counters.iter_mut().find(|(name, _)| *name == class) {
            Some((_, count)) => {
                *count += 1;
                *count - 1
            }
            None => {
                self.counters.push((class, 1));
                0
            }
        };
        format!("{class}_{index}").into()
    }
}
