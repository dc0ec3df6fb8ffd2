//! Dynamic batching: requests that come at once become one call of the model.
//!
//! The model runs on a thread of its own. While it computes, requests queue; then it takes all that are there, as many as fit, and
//! so batches grow with the load and nobody waits for others without need. A queue that is full refuses at once: waiting longer
//! than clients do would be work for nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flaxen::prelude::*;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::model::Model;

/// Limits of a [`Batcher`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many requests may wait.
    pub queue: usize,
    /// How long a batch that is not full waits for more.
    pub linger: Duration,
}

/// Why there is no prediction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too many others wait.
    Full,
    /// Its turn came too late.
    Late,
    /// The model's thread has ended.
    Closed,
    /// The model's own error, which is none of the client's.
    Model(String),
}

struct Job {
    /// `F32[count, side, side, 1]`.
    images: Tensor,
    count: usize,
    reply: oneshot::Sender<Result<Tensor, Failure>>,
    /// After it nobody waits for the reply.
    deadline: Instant,
}

/// The way to a model: clones share it, and its thread ends when the last one is gone and the queue is empty.
#[derive(Clone)]
pub struct Batcher {
    jobs: SyncSender<Job>,
    metrics: Arc<Metrics>,
}

impl Batcher {
    /// Starts the model's thread, which ends after the last [`Batcher`] is dropped.
    pub fn start(model: Model, limits: Limits, metrics: Arc<Metrics>) -> (Batcher, JoinHandle<()>) {
        let (jobs, queue) = sync_channel(limits.queue);
        let counted = Arc::clone(&metrics);
        let worker = thread::spawn(move || Worker { model, queue, limits, metrics: counted }.run());
        (Batcher { jobs, metrics }, worker)
    }

    /// The probabilities `F32[count, classes]` of `images`, `F32[count, side, side, 1]`, no more than the model takes at once.
    pub async fn predict(&self, images: Tensor, deadline: Instant) -> Result<Tensor, Failure> {
        let (reply, answer) = oneshot::channel();
        let count = images.shape()[0];
        // Before the worker can count it down.
        self.metrics.queued_images.inc_by(count as i64);
        self.jobs.try_send(Job { images, count, reply, deadline }).map_err(|error| {
            self.metrics.queued_images.dec_by(count as i64);
            match error {
                TrySendError::Full(_) => Failure::Full,
                TrySendError::Disconnected(_) => Failure::Closed,
            }
        })?;
        answer.await.unwrap_or(Err(Failure::Closed))
    }
}

struct Worker {
    model: Model,
    queue: Receiver<Job>,
    limits: Limits,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn run(self) {
        let mut next = None;
        while let Some(first) = next.take().or_else(|| self.queue.recv().ok()) {
            let (batch, left) = self.gather(first);
            next = left;
            self.answer(batch);
        }
    }

    /// What goes with `first`, and the job that no longer fits.
    fn gather(&self, first: Job) -> (Vec<Job>, Option<Job>) {
        let until = Instant::now() + self.limits.linger;
        let mut count = first.count;
        let mut batch = vec![first];
        while count < self.model.max_batch {
            // Without a time to wait it takes what is there.
            let job = match self.queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            };
            if count + job.count > self.model.max_batch {
                return (batch, Some(job));
            }
            count += job.count;
            batch.push(job);
        }
        (batch, None)
    }

    fn answer(&self, batch: Vec<Job>) {
        let waiting: usize = batch.iter().map(|job| job.count).sum();
        self.metrics.queued_images.dec_by(waiting as i64);
        let now = Instant::now();
        let (batch, late): (Vec<Job>, Vec<Job>) = batch.into_iter().partition(|job| job.deadline > now);
        for job in late {
            let _ = job.reply.send(Err(Failure::Late));
        }
        // What clients that have gone asked for is not computed.
        let batch: Vec<Job> = batch.into_iter().filter(|job| !job.reply.is_closed()).collect();
        if batch.is_empty() {
            return;
        }
        let counts: Vec<usize> = batch.iter().map(|job| job.count).collect();
        self.metrics.batch_images.observe(counts.iter().sum::<usize>() as f64);
        let result = self.compute(&batch);
        self.metrics.model_seconds.observe(now.elapsed().as_secs_f64());
        self.metrics.busy_seconds.inc_by(now.elapsed().as_secs_f64());
        let mut start = 0;
        for job in batch {
            let reply = match &result {
                Ok(all) => Ok(all.slice_axis(0, start..start + job.count)),
                Err(failure) => Err(failure.clone()),
            };
            start += job.count;
            // A client that has gone meanwhile.
            let _ = job.reply.send(reply);
        }
    }

    /// One call for all of them. Whatever goes wrong in it ends in an answer, not in the end of this thread.
    fn compute(&self, batch: &[Job]) -> Result<Tensor, Failure> {
        let call = || {
            let images: Vec<Tensor> = batch.iter().map(|job| job.images.clone()).collect();
            (self.model.forward)(Tensor::try_concatenate(&images, 0)?)
        };
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => result.map_err(|error| Failure::Model(error.to_string())),
            Err(_) => Err(Failure::Model("the model panicked".to_owned())),
        }
    }
}
