//! Paths, and the answer to all that can go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::time::timeout;

use crate::batch::{Batcher, Failure};
use crate::body::{Expected, Format, JSON, Refusal, images, predictions};
use crate::metrics::{self, Ended, Metrics};

/// Limits of a request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of a body.
    pub body_bytes: usize,
    /// How long a client may take to send its body.
    pub body_time: Duration,
    /// How long a prediction may take, the queue included.
    pub answer_time: Duration,
}

/// What all requests share.
pub struct Service {
    pub batcher: Batcher,
    pub expected: Expected,
    pub limits: Limits,
    pub metrics: Arc<Metrics>,
    /// Whether requests should come here: the model is ready, and the server does not end.
    pub is_ready: AtomicBool,
}

/// `POST /predict`, `GET /health/live`, `GET /health/ready`, `GET /metrics`.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/predict", post(predict))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(show_metrics))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "no such path: POST /predict") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method")
        })
        .layer(from_fn_with_state(Arc::clone(&service), count))
        .with_state(service)
}

async fn count(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    service.metrics.requests.get_or_create(&Ended { status: response.status().as_u16() }).inc();
    response
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    if service.is_ready.load(Ordering::Acquire) {
        "ready\n".into_response()
    } else {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "not ready").into_response()
    }
}

async fn show_metrics(State(service): State<Arc<Service>>) -> Response {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], service.metrics.text()).into_response()
}

async fn predict(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let start = Instant::now();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(format) = text(CONTENT_TYPE).and_then(Format::of) else {
        let expected = "the Content-Type is to be application/json or application/safetensors";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected));
    };
    let accepted = text(ACCEPT).and_then(|list| list.split(',').find_map(Format::of)).unwrap_or(format);

    let body = read(body, service.limits).await?;
    let images = images(format, &body, service.expected)?;
    let deadline = start + service.limits.answer_time;
    let predicted = timeout(
        deadline.saturating_duration_since(Instant::now()),
        service.batcher.predict(images, deadline),
    );
    let probabilities = predicted.await.unwrap_or(Err(Failure::Late))?;
    let body = predictions(accepted, probabilities).map_err(|error| Failure::Model(error.to_string()))?;
    service.metrics.seconds.observe(start.elapsed().as_secs_f64());
    Ok(([(CONTENT_TYPE, accepted.media_type())], body).into_response())
}

/// The whole body, if it is neither too long nor too slow.
async fn read(body: Body, limits: Limits) -> Result<Bytes, Refusal> {
    match timeout(limits.body_time, to_bytes(body, limits.body_bytes)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_long(&error) => {
            let text = format!("the body is longer than {} bytes", limits.body_bytes);
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Ok(Err(error)) => {
            Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body ended early: {error}")))
        }
        Err(_) => {
            let text = format!("the body did not come within {:?}", limits.body_time);
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, text))
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        match failure {
            Failure::Full => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait: try again")
            }
            Failure::Late => Refusal::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long"),
            Failure::Closed => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server ends"),
            Failure::Model(text) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.text }).to_string();
        let response = (self.status, [(CONTENT_TYPE, JSON)], body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            ([(RETRY_AFTER, "1")], response).into_response()
        } else {
            response
        }
    }
}
