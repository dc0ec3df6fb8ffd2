//! Which methods of a module are running, and the names given out in them.

use std::any::Any;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use smallvec::SmallVec;

use crate::scope::{Reserved, Scope};

/// The running methods of one module, thread by thread: one bound model may be called from several threads at once.
#[derive(Default)]
pub(super) struct Frames(SmallVec<[ThreadFrames; 1]>);

struct ThreadFrames {
    thread: ThreadId,
    stack: SmallVec<[Frame; 1]>,
}

/// What lasts from the outermost compact method of a module to its end, or for its setup.
pub(super) struct Frame {
    /// Compact methods calling each other share a frame, and so count their submodules together.
    depth: usize,
    pub in_setup: bool,
    /// The scope of a method that is a scope of its own.
    pub scope: Option<Scope>,
    counters: SmallVec<[(&'static str, usize); 4]>,
    pub reserved: Reserved,
    /// Shared modules that are submodules for as long as the frame lasts.
    pub kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Frames {
    /// The innermost frame of this thread.
    pub fn top(&mut self) -> Option<&mut Frame> {
        let thread = thread::current().id();
        self.0.iter_mut().find(|frames| frames.thread == thread)?.stack.last_mut()
    }

    pub fn in_setup(&self) -> bool {
        let thread = thread::current().id();
        let mine = self.0.iter().find(|frames| frames.thread == thread);
        mine.is_some_and(|frames| frames.stack.iter().any(|frame| frame.in_setup))
    }

    fn stack(&mut self) -> &mut SmallVec<[Frame; 1]> {
        let thread = thread::current().id();
        let index = self.0.iter().position(|frames| frames.thread == thread).unwrap_or_else(|| {
            self.0.push(ThreadFrames { thread, stack: SmallVec::new() });
            self.0.len() - 1
        });
        &mut self.0[index].stack
    }

    pub fn enter_compact(&mut self) {
        let stack = self.stack();
        match stack.last_mut() {
            Some(frame) => frame.depth += 1,
            None => stack.push(Frame::new(false, None)),
        }
    }

    pub fn enter_setup(&mut self) {
        self.stack().push(Frame::new(true, None));
    }

    pub fn enter_scope(&mut self, scope: Scope) {
        self.stack().push(Frame::new(false, Some(scope)));
    }

    /// Ends the innermost method; the next call of the module gives out the same names again.
    ///
    /// Returns the frame if it ended, for the caller to drop outside of locks.
    pub fn exit(&mut self) -> Option<Frame> {
        let thread = thread::current().id();
        let index = self.0.iter().position(|frames| frames.thread == thread)?;
        let stack = &mut self.0[index].stack;
        let frame = stack.last_mut()?;
        frame.depth -= 1;
        frame.reserved = Reserved::default();
        let ended = if frame.depth == 0 { stack.pop() } else { None };
        if stack.is_empty() {
            self.0.swap_remove(index);
        }
        ended
    }
}

impl Frame {
    fn new(in_setup: bool, scope: Option<Scope>) -> Frame {
        Frame {
            depth: 1,
            in_setup,
            scope,
            counters: SmallVec::new(),
            reserved: Reserved::default(),
            kept: Vec::new(),
        }
    }

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
