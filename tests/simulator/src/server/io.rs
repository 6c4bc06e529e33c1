//! A TCP stream that can be told to go silent, to end or to reset, from any thread.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::state::Shared;

const OPEN: u8 = 0;
const SILENT: u8 = 1;
const DROPPED: u8 = 2;
const RESET: u8 = 3;

/// The remote control of one TCP connection.
#[derive(Debug, Default)]
pub(crate) struct IoControl {
    mode: AtomicU8,
    /// Bytes to write before anything else, past the framing.
    first: Mutex<Vec<u8>>,
    read: AtomicWaker,
    write: AtomicWaker,
}

impl IoControl {
    /// Half-open: the connection stays, nothing is read or written any more.
    pub(crate) fn silence(&self) {
        let _ = self.mode.compare_exchange(OPEN, SILENT, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Ends a silence.
    pub(crate) fn end_silence(&self) {
        let _ = self.mode.compare_exchange(SILENT, OPEN, Ordering::AcqRel, Ordering::Acquire);
        self.wake();
    }

    /// Ends the connection without a close frame.
    pub(crate) fn drop_connection(&self) {
        self.mode.store(DROPPED, Ordering::Release);
        self.wake();
    }

    /// Ends the connection with a TCP reset.
    pub(crate) fn reset(&self) {
        self.mode.store(RESET, Ordering::Release);
        self.wake();
    }

    /// Writes these bytes before whatever is written next.
    pub(crate) fn write_first(&self, bytes: &[u8]) {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    /// Writes what is to come first; ready when nothing of it is left.
    pub(crate) fn poll_first<W: AsyncWrite + Unpin>(
        &self,
        stream: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        while !first.is_empty() {
            let written = std::task::ready!(Pin::new(&mut *stream).poll_write(cx, &first))?;
            first.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the connection is neither silent nor at its end; an ended one never is.
    pub(crate) async fn wait_for_silence_end(&self) {
        std::future::poll_fn(|cx| match self.gate(&self.write, cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    fn wake(&self) {
        self.read.wake();
        self.write.wake();
    }

    fn is_reset(&self) -> bool {
        self.mode.load(Ordering::Acquire) == RESET
    }

    /// `Ready(Ok)` when the stream may be used, `Pending` while silent, an error once ended.
    fn gate(&self, waker: &AtomicWaker, cx: &Context<'_>) -> Poll<io::Result<()>> {
        waker.register(cx.waker());
        match self.mode.load(Ordering::Acquire) {
            OPEN => Poll::Ready(Ok(())),
            SILENT => Poll::Pending,
            _ => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

/// One accepted TCP connection. It signs itself out of the registry when it is dropped.
#[derive(Debug)]
pub(crate) struct ControlledTcp {
    stream: TcpStream,
    control: Arc<IoControl>,
    shared: Arc<Shared>,
    key: u64,
}

impl ControlledTcp {
    pub(crate) fn new(stream: TcpStream, shared: &Arc<Shared>) -> Self {
        let control = Arc::new(IoControl::default());
        let key = shared.lock().open_connection(Arc::clone(&control));
        shared.notify_waiters();
        Self { stream, control, shared: Arc::clone(shared), key }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    pub(crate) fn control(&self) -> &Arc<IoControl> {
        &self.control
    }
}

impl Drop for ControlledTcp {
    fn drop(&mut self) {
        if self.control.is_reset() {
            // A linger of zero makes the kernel send a reset instead of an orderly end.
            let _ = self.stream.set_zero_linger();
        }
        self.shared.lock().close_connection(self.key);
        self.shared.notify_waiters();
    }
}

impl AsyncRead for ControlledTcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.control.gate(&this.control.read, cx))?;
        Pin::new(&mut this.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ControlledTcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        std::task::ready!(this.control.gate(&this.control.write, cx))?;
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.control.gate(&this.control.write, cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.control.gate(&this.control.write, cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
