//! Plain TCP or TLS over it, as one type that hyper's upgrade can give back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::server::io::{ControlledTcp, IoControl};

/// The stream that HTTP and WebSocket run on.
#[derive(Debug)]
pub(crate) enum Transport {
    /// `http` and `ws`.
    Plain(ControlledTcp),
    /// `https` and `wss`; boxed, as its state is large and most simulators are plain.
    Tls(Box<TlsStream<ControlledTcp>>),
}

impl Transport {
    fn tcp(&self) -> &ControlledTcp {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    pub(crate) fn key(&self) -> u64 {
        self.tcp().key()
    }

    pub(crate) fn control(&self) -> &Arc<IoControl> {
        self.tcp().control()
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let control = Arc::clone(this.control());
        match this {
            Self::Plain(tcp) => {
                std::task::ready!(control.poll_first(tcp, cx))?;
                Pin::new(tcp).poll_write(cx, buf)
            }
            Self::Tls(tls) => {
                std::task::ready!(control.poll_first(tls, cx))?;
                Pin::new(tls).poll_write(cx, buf)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
