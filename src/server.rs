//! The one HTTP listener: gateway, ledger API, the log as tiles, console.

mod api;
mod approvals;
mod console;
pub mod gateway;
mod health;
pub mod ingest;
pub mod listen;
mod mcp;
mod node;
pub mod notify;
mod protection;
mod reports;
mod retention;
mod tiles;
mod timestamps;
mod witnesses;
mod work;

pub use mcp::check as check_mcp;
pub use node::Node;
pub use work::news;

use crate::outcome::{Done, Outcome};
use agents::gateway::Provider;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The whole application. Serve it with [`listen::serve`], which tells who connects.
pub fn router(node: Node) -> Router {
    let mut router = Router::new();
    for provider in Provider::ALL {
        let side = match node.side(provider) {
            Some(side) => gateway::routes(side),
            None => gateway::closed_routes(provider),
        };
        let state = (node.clone(), provider);
        let gated = middleware::from_fn_with_state(state, only_acknowledged);
        let at = format!("/{}", provider.as_str());
        router = router.nest(&at, side.with_state(()).layer(gated));
    }
    router
        .merge(console::routes())
        .merge(health::routes())
        .merge(mcp::routes())
        .nest("/api/v1", api::routes())
        .nest("/log", tiles::routes())
        .nest("/hooks", gateway::hook_routes())
        .nest("/otlp", gateway::telemetry_routes())
        .with_state(node)
        .layer(middleware::from_fn(only_named_hosts))
}

/// After the grace of a stop: what is left then has nobody to be answered to, but an end to be
/// recorded. What is not done by then is closed by the next start.
const LAST: Duration = Duration::from_secs(15);

/// Serves until it is told to stop; calls in flight are finished and recorded, those that are not
/// at their end when the `grace` is over as their client's going.
pub async fn serve(
    listener: TcpListener,
    node: Node,
    grace: Duration,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Done {
    let work = work::start(&node);
    let (gateway, mcp) = (Arc::clone(&node.gateway), Arc::clone(&node.mcp));
    let sessions = Arc::clone(&mcp);
    let stop = async move {
        stop.await;
        sessions.stop();
    };
    let faults = Arc::clone(&node.connections);
    listen::serve(listener, router(node), stop, grace, faults).await;
    mcp.stop();
    let ended = async {
        gateway.idle().await;
        mcp.idle().await;
    };
    if tokio::time::timeout(LAST, ended).await.is_err() {
        tracing::warn!("the server stops with calls at work; the next start records their end");
    }
    work.stop().await;
    Ok(Outcome::Well)
}

/// Listens from the call on, not from the first poll: once the server answers, a signal
/// ends it cleanly.
pub fn stop_signal() -> impl Future<Output = ()> {
    let interrupt = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    let terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate());
        async move {
            match terminate {
                Ok(mut signal) => drop(signal.recv().await),
                Err(_) => std::future::pending().await,
            }
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    async move {
        tokio::select! {
            () = interrupt => {}
            () = terminate => {}
        }
    }
}

/// Where nothing may be acknowledged, no prompt is taken in.
async fn only_acknowledged(
    State((node, provider)): State<(Node, Provider)>,
    request: Request,
    next: Next,
) -> Response {
    match node.withheld() {
        None => next.run(request).await,
        Some(why) => {
            let message = format!("{why}: nothing was sent; try again later");
            gateway::unavailable(&message, provider)
        }
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
