//! A connected stream, with or without TLS.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_rt::net::{ActixStream, Ready, TcpStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::interim::InterimFilter;

/// The size of the reads in which the beginning of a response is looked for: most heads fit in.
const HEAD_READ: usize = 2048;

/// A layer with TLS or without.
pub(super) enum MaybeTls<S> {
    Plain(S),
    /// Boxed, because it is ten times as large as the plain stream.
    Tls(Box<TlsStream<S>>),
}

/// A connection to the server: TCP, perhaps TLS to a proxy, perhaps TLS to the server. Interim responses (1xx) are
/// left out.
pub(in crate::mattermost) struct ServerStream {
    layers: MaybeTls<MaybeTls<TcpStream>>,
    interim: InterimFilter,
}

impl ServerStream {
    pub(super) fn new(layers: MaybeTls<MaybeTls<TcpStream>>) -> Self {
        Self { layers, interim: InterimFilter::default() }
    }
}

impl AsyncRead for ServerStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Some(bytes) = this.interim.take(buf.remaining()) {
                buf.put_slice(&bytes);
                return Poll::Ready(Ok(()));
            }
            if !this.interim.is_expecting() {
                return Pin::new(&mut this.layers).poll_read(cx, buf);
            }
            let mut space = [0; HEAD_READ];
            let mut head = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.layers).poll_read(cx, &mut head))?;
            if head.filled().is_empty() {
                this.interim.end();
            } else {
                this.interim.push(head.filled())?;
            }
        }
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.layers).poll_write(cx, buf);
        if matches!(written, Poll::Ready(Ok(1..))) {
            this.interim.request_written();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().layers).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().layers).poll_shutdown(cx)
    }
}

impl ActixStream for ServerStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_read_ready(self.layers.inner().inner(), cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        ActixStream::poll_write_ready(self.layers.inner().inner(), cx)
    }
}

impl fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.layers {
            MaybeTls::Plain(_) => "ServerStream::Plain",
            MaybeTls::Tls(_) => "ServerStream::Tls",
        })
    }
}

impl<S> MaybeTls<S> {
    fn inner(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MaybeTls<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MaybeTls<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
