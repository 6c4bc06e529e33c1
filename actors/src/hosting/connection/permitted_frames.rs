//! The socket's frames, each with a permit of Delivery's that was taken before it was read.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use crate::hosting::delivery::Permits;
use crate::mattermost::{Frame, SocketError, SocketReader};

/// What the reader tells its Connection.
pub(super) enum FrameEvent {
    /// A frame, and its permits.
    Frame(Frame, OwnedSemaphorePermit),
    /// The socket broke.
    Broken(SocketError),
    /// All permits are taken: the socket is not read.
    Paused,
    /// Reading goes on.
    Resumed,
}

/// Frames that one socket has read before others, and its own Delivery, have their turn: thousands of sockets with a
/// burst each would otherwise hold all of it in memory at once.
const AT_ONCE: u32 = 8;

type Acquiring = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>>>>;

/// Reads a socket as fast as its permits allow.
pub(super) struct PermittedFrames {
    frames: SocketReader,
    permits: Permits,
    state: State,
    /// Frames read since others had their turn.
    at_once: u32,
}

/// A frame that waits for the rest of its permits.
type Held = Option<(Frame, OwnedSemaphorePermit)>;

enum State {
    /// Nothing is held.
    Idle,
    /// A permit is held, a frame is awaited.
    Reading(OwnedSemaphorePermit),
    /// Permits are awaited; a large frame may be there already.
    Waiting { acquiring: Acquiring, held: Held, reported: bool },
    /// Permits came after a pause.
    Back { permit: OwnedSemaphorePermit, held: Held },
    /// The socket ended.
    Ended,
}

impl PermittedFrames {
    /// Reads with the permit that was taken before the dial.
    pub(super) fn new(frames: SocketReader, permits: Permits, first: OwnedSemaphorePermit) -> Self {
        Self { frames, permits, state: State::Reading(first), at_once: 0 }
    }

    /// Takes a permit, or begins to wait for one.
    fn begin(&self) -> State {
        match self.acquire(1) {
            Ok(permit) => State::Reading(permit),
            Err(acquiring) => State::Waiting { acquiring, held: None, reported: false },
        }
    }

    /// A frame came: it goes on when it has all its permits.
    fn came(&self, frame: Frame, mut permit: OwnedSemaphorePermit) -> Result<FrameEvent, State> {
        let more = self.permits.extra_for(bytes_of(&frame));
        if more == 0 {
            return Ok(FrameEvent::Frame(frame, permit));
        }
        match self.acquire(more) {
            Ok(rest) => {
                permit.merge(rest);
                Ok(FrameEvent::Frame(frame, permit))
            }
            Err(acquiring) => Err(State::Waiting { acquiring, held: Some((frame, permit)), reported: false }),
        }
    }

    fn acquire(&self, count: u32) -> Result<OwnedSemaphorePermit, Acquiring> {
        let permits = &self.permits.semaphore;
        let at_once = permits.clone().try_acquire_many_owned(count);
        at_once.map_err(|_| Box::pin(permits.clone().acquire_many_owned(count)) as Acquiring)
    }
}

fn bytes_of(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes) => bytes.len(),
        Frame::Close(_) => 0,
    }
}

impl Stream for PermittedFrames {
    type Item = FrameEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FrameEvent>> {
        if self.at_once >= AT_ONCE {
            self.at_once = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Idle => self.state = self.begin(),
                State::Reading(permit) => match self.frames.poll_next_unpin(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(permit);
                        self.at_once = 0;
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(Ok(frame))) => match self.came(frame, permit) {
                        Ok(event) => {
                            self.at_once += 1;
                            self.state = State::Idle;
                            return Poll::Ready(Some(event));
                        }
                        Err(waiting) => self.state = waiting,
                    },
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(FrameEvent::Broken(error))),
                    Poll::Ready(None) => return Poll::Ready(None),
                },
                State::Waiting { acquiring, held, reported: false } => {
                    self.state = State::Waiting { acquiring, held, reported: true };
                    return Poll::Ready(Some(FrameEvent::Paused));
                }
                State::Waiting { mut acquiring, held, reported: true } => match acquiring.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.state = State::Waiting { acquiring, held, reported: true };
                        return Poll::Pending;
                    }
                    // Nobody closes the semaphore; if somebody did there would be nothing to read for.
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Ready(Ok(permit)) => {
                        self.state = State::Back { permit, held };
                        return Poll::Ready(Some(FrameEvent::Resumed));
                    }
                },
                State::Back { permit, held: None } => self.state = State::Reading(permit),
                State::Back { permit, held: Some((frame, mut all)) } => {
                    all.merge(permit);
                    self.state = State::Idle;
                    return Poll::Ready(Some(FrameEvent::Frame(frame, all)));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}
