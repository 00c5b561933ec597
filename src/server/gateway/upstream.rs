use super::address;
use agents::gateway::Provider;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use axum::http::{HeaderName, Uri};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, Url};
use schemas::Label;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// The provider: where it is, and the key that opens it. The key never goes anywhere else.
pub struct Upstream {
    provider: Provider,
    /// Without a slash at the end.
    base: String,
    destination: Label,
    key: ProviderKey,
    header: KeyHeader,
    /// Further paths that pass; with `*` at its end, every path that begins so.
    paths: Vec<String>,
    client: Client,
}

/// A provider's key. Neither `Debug` nor `Serialize`; wiped when dropped.
pub struct ProviderKey(Zeroizing<String>);

/// How the provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyHeader {
    XApiKey,
    /// `Authorization: Bearer`
    Bearer,
}

#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error(
        "{0} cannot be an upstream: an address such as https://api.anthropic.com, without user, \
         query or fragment; http only to this machine"
    )]
    WrongAddress(Label),
    #[error("the environment variable {0} holds no provider key")]
    NoKey(Label),
    #[error("{path} cannot be read for the provider's key")]
    Unreadable {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} can be read by other users; a provider's key must be its owner's alone")]
    NotPrivate { path: String },
    #[error("the provider's key is not 1 to 4096 visible ASCII characters")]
    WrongKey,
    #[error("the HTTP client does not start")]
    Client(#[source] reqwest::Error),
}

/// Between us and a provider that is there.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Between two pieces of an answer; the official clients wait ten minutes in all.
const READ_PATIENCE: Duration = Duration::from_secs(600);

/// A list of models is small and quick, or there is none.
const LIST_PATIENCE: Duration = Duration::from_secs(30);

impl ProviderKey {
    pub fn new(text: &str) -> Result<ProviderKey, UpstreamError> {
        let text = text.trim();
        let sound = (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound
            .then(|| ProviderKey(Zeroizing::new(text.to_owned())))
            .ok_or(UpstreamError::WrongKey)
    }

    pub fn from_env(variable: &str) -> Result<ProviderKey, UpstreamError> {
        let text = std::env::var(variable).map(Zeroizing::new);
        ProviderKey::new(&text.map_err(|_| UpstreamError::NoKey(Label::lossy(variable)))?)
    }

    /// As a header that is not shown.
    pub fn bearer(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        visible(&text)
    }

    /// From a file that only its owner reads, as service managers unseal credentials into one.
    pub fn from_file(path: &Path) -> Result<ProviderKey, UpstreamError> {
        let shown = || path.display().to_string();
        let unreadable = |source| UpstreamError::Unreadable {
            path: shown(),
            source,
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path)
                .map_err(unreadable)?
                .permissions()
                .mode();
            if mode & 0o077 != 0 {
                return Err(UpstreamError::NotPrivate { path: shown() });
            }
        }
        ProviderKey::new(&Zeroizing::new(
            std::fs::read_to_string(path).map_err(unreadable)?,
        ))
    }
}

/// An address that a key may be sent to: over TLS, or to this machine; without user, query or
/// fragment.
pub fn checked_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let private = url.scheme() == "https" || (url.scheme() == "http" && is_here(&url));
    (plain && private).then_some(url)
}

fn is_here(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

impl Upstream {
    pub fn new(
        provider: Provider,
        base: &str,
        key: ProviderKey,
        header: KeyHeader,
    ) -> Result<Upstream, UpstreamError> {
        let wrong = || UpstreamError::WrongAddress(Label::lossy(base));
        let url = checked_address(base).ok_or_else(wrong)?;
        let host = url.host_str().ok_or_else(wrong)?;
        let here = is_here(&url);
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        let mut client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_PATIENCE)
            .read_timeout(READ_PATIENCE)
            .tcp_keepalive(Duration::from_secs(60))
            .http2_keep_alive_interval(Duration::from_secs(20));
        if here {
            client = client.no_proxy();
        }
        Ok(Upstream {
            provider,
            base: url.as_str().trim_end_matches('/').to_owned(),
            destination: Label::lossy(&format!("{host}:{port}")),
            key,
            header,
            paths: Vec::new(),
            client: client.build().map_err(UpstreamError::Client)?,
        })
    }

    /// With further paths that pass.
    pub fn passing(self, paths: Vec<String>) -> Upstream {
        Upstream { paths, ..self }
    }

    pub(super) fn passes(&self, path: &str) -> bool {
        let fits = |listed: &String| match listed.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == listed,
        };
        // What climbs out of where it begins is somewhere else for the provider.
        !path.split('/').any(|part| part == "..") && self.paths.iter().any(fits)
    }

    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Host and port, as events name it.
    pub fn destination(&self) -> &Label {
        &self.destination
    }

    /// The provider's address of a path that a client asked for, as it was written; `None` where
    /// path or query could carry text past the rules.
    pub(super) fn url(&self, uri: &Uri) -> Option<String> {
        address::said(uri)?;
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let mark = if query.is_empty() { "" } else { "?" };
        Some(format!("{}{path}{mark}{query}", self.base))
    }

    pub(super) async fn send(
        &self,
        method: Method,
        url: String,
        headers: HeaderMap,
        payload: Vec<u8>,
    ) -> reqwest::Result<Response> {
        let mut request = self
            .client
            .request(method, url)
            .headers(self.signed(headers));
        if !payload.is_empty() {
            request = request.body(payload);
        }
        request.send().await
    }

    pub(super) async fn get(&self, url: String, headers: HeaderMap) -> reqwest::Result<Response> {
        let headers = self.signed(headers);
        self.client
            .request(Method::GET, url)
            .headers(headers)
            .timeout(LIST_PATIENCE)
            .send()
            .await
    }

    fn signed(&self, mut headers: HeaderMap) -> HeaderMap {
        let (name, value) = match self.header {
            KeyHeader::XApiKey => (HeaderName::from_static("x-api-key"), visible(&self.key.0)),
            KeyHeader::Bearer => (AUTHORIZATION, self.key.bearer()),
        };
        headers.insert(name, value);
        headers
    }
}

fn visible(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).expect("a key was checked to be visible ASCII");
    value.set_sensitive(true);
    value
}
