//! Connections, their limits, and their end.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;

/// Limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many may be open; more of them wait to be accepted.
    pub connections: usize,
    /// How long a client may take to send the head of a request, or keep an idle connection open.
    pub head_time: Duration,
    /// How long requests that have begun may go on after the end was asked for.
    pub grace: Duration,
}

/// Answers connections until `end` is ready; then accepts no more, and waits for the requests that have begun.
///
/// Whether all of them were answered in time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    metrics: Arc<Metrics>,
    end: impl Future<Output = ()>,
) -> bool {
    let free = Arc::new(Semaphore::new(limits.connections));
    let open = GracefulShutdown::new();
    let mut end = pin!(end);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&free).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut end => break,
        };
        let Ok((stream, _)) = accepted else {
            // Too many open files, most likely: they do not become fewer by asking at once.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are one small write each: waiting for more would be waiting for nothing.
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_time)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = open.watch(connection);
        let connections = metrics.connections.clone();
        connections.inc();
        tokio::spawn(async move {
            // What a client does wrong on its own connection is no concern of others.
            let _ = connection.await;
            connections.dec();
            drop(permit);
        });
    }
    drop(listener);
    timeout(limits.grace, open.shutdown()).await.is_ok()
}
