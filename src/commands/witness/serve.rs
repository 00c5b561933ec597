//! The witness over HTTP, as C2SP tlog-witness has it.

use super::store::{NotCosigned, Store};
use crate::outcome::{Done, Failure, Outcome};
use crate::server::stop_signal;
use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use ledger::clock::{Clock, SystemClock};
use ledger::witness::{MAX_REQUEST_BYTES, Refusal};
use std::sync::{Arc, Mutex, PoisonError};

/// `None` once a write has failed: what is on disk is not known until the next start.
type Shared = Arc<Mutex<Option<Store>>>;

pub fn run(state: &std::path::Path, listen: &str) -> Done {
    let store = Store::open(state)?;
    let runtime = tokio::runtime::Runtime::new().context("no threads for the witness")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .map_err(|error| {
                let error =
                    anyhow::Error::new(error).context(format!("{listen} cannot be listened on"));
                Failure::new(error, "choose another address with --listen")
            })?;
        let stop = stop_signal();
        println!("witness  {}", store.key());
        println!("logs     {}", store.logs());
        println!("listens  http://{}", listener.local_addr()?);
        let app = Router::new()
            .route("/add-checkpoint", post(add))
            .route("/{digest}/checkpoint", get(latest))
            .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
            .with_state(Arc::new(Mutex::new(Some(store))));
        axum::serve(listener, app)
            .with_graceful_shutdown(stop)
            .await?;
        Ok(Outcome::Well)
    })
}

async fn add(State(shared): State<Shared>, body: Bytes) -> Response {
    let worked = tokio::task::spawn_blocking(move || {
        let seconds = SystemClock.now().micros() / 1_000_000;
        let mut held = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(store) = held.as_mut() else {
            return stopped();
        };
        match store.add(&body, seconds.unsigned_abs()) {
            Ok(line) => line.into_response(),
            Err(NotCosigned::Refused(refusal)) => refuse(&refusal),
            Err(NotCosigned::NotDurable(error)) => {
                tracing::error!(%error, "the witness stops: its state could not be written");
                *held = None;
                stopped()
            }
        }
    });
    worked.await.unwrap_or_else(|_| stopped())
}

fn stopped() -> Response {
    let text = "this witness has stopped: its state could not be written\n";
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal {
        Refusal::Malformed(_) | Refusal::Checkpoint(_) | Refusal::OldAboveSize { .. } => {
            StatusCode::BAD_REQUEST
        }
        Refusal::UnknownLog => StatusCode::NOT_FOUND,
        Refusal::NotTrusted(_) => StatusCode::FORBIDDEN,
        Refusal::OtherSize { latest } => {
            let media = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            return (StatusCode::CONFLICT, media, format!("{latest}\n")).into_response();
        }
        Refusal::Inconsistent { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, format!("{refusal}\n")).into_response()
}

async fn latest(State(shared): State<Shared>, Path(digest): Path<String>) -> Response {
    let held = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(store) = held.as_ref() else {
        return stopped();
    };
    match store.latest(&digest) {
        Some(note) => note.into_response(),
        None => (StatusCode::NOT_FOUND, "no checkpoint was seen\n").into_response(),
    }
}
