//! The one HTTP listener: gateway, ledger API, the log as tiles, console.

mod api;
mod console;
#[allow(dead_code, unused_imports)] // until it is mounted
pub mod gateway;
mod health;
mod tiles;
mod work;

use crate::outcome::{Done, Failure, Outcome};
use crate::views::Views;
use axum::Router;
use axum::extract::Request;
use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use exporters::forward::Forwarder;
use ledger::{Appender, Reader};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What every handler works with.
#[derive(Clone)]
pub struct Node {
    pub appender: Appender,
    pub reader: Reader,
    pub views: Arc<Views>,
    /// SHA-256 of the operator's token.
    pub operator: schemas::Hash,
    /// One per receiver of the log.
    pub forwarders: Arc<Vec<Forwarder>>,
}

impl Node {
    /// The rule that keeps a text out of `data`, if one does.
    pub fn guard(&self, _text: &str) -> Option<String> {
        None
    }
}

fn router(node: Node) -> Router {
    Router::new()
        .merge(console::routes())
        .merge(health::routes())
        .nest("/api/v1", api::routes())
        .nest("/log", tiles::routes())
        .with_state(node)
        .layer(middleware::from_fn(only_named_hosts))
}

/// The whole application, told who connects.
pub fn app(node: Node) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    router(node).into_make_service_with_connect_info()
}

/// Serves until Ctrl-C or SIGTERM.
pub async fn serve(listener: TcpListener, node: Node) -> Done {
    let work = work::start(&node);
    let served = axum::serve(listener, app(node))
        .with_graceful_shutdown(stop_signal())
        .await;
    work.stop().await;
    served.map_err(|error| Failure::new(error, "see the cause; the ledger was closed cleanly"))?;
    Ok(Outcome::Well)
}

async fn stop_signal() {
    let interrupt = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// A page of another site must not reach this one by a name that it points here: a name
/// other than localhost is refused unless the client's connection is not from this host.
async fn only_named_hosts(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|b| b.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<std::net::IpAddr>();
    let local_peer = request
        .extensions()
        .get::<axum::extract::ConnectInfo<SocketAddr>>()
        .is_none_or(|peer| peer.0.ip().is_loopback());
    if address.is_ok() || name == "localhost" || !local_peer {
        return next.run(request).await;
    }
    (
        StatusCode::MISDIRECTED_REQUEST,
        "use localhost or the address of this host\n",
    )
        .into_response()
}
