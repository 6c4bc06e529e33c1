use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _};
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit},
    task::yield_now,
};

use crate::{
    hosting::delivery::Permits,
    mattermost::{Frame, SocketError, SocketReader},
};

/// An item of [`PermittedFrames`].
pub(super) enum FrameEvent {
    /// A frame and its permits.
    Frame(Frame, OwnedSemaphorePermit),
    /// No frame follows for now. It comes after the last frame of a turn, before anything else.
    TurnEnded,
    /// The socket failed.
    Broken(SocketError),
    /// Reading has paused because all permits are in use.
    Paused,
    /// Reading has resumed.
    Resumed,
}

/// The frames read from one socket before it yields to other sockets and to its Delivery. Otherwise thousands of
/// sockets with a burst each would hold all frames in memory at once.
const FRAMES_PER_TURN: u32 = 8;

/// The bytes of frames after which a socket yields, however few frames they were: to read megabytes takes milliseconds,
/// and other accounts of the thread must not wait for several such frames.
const BYTES_PER_TURN: usize = 64 * 1024;

type Acquiring = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>>>>;

/// A stream of a socket's frames. It acquires a permit of the Delivery before it reads a frame.
pub(super) struct PermittedFrames {
    frames: SocketReader,
    permits: Permits,
    state: State,
    turn: Turn,
    /// True if frames were returned since the last [`FrameEvent::TurnEnded`].
    is_in_turn: bool,
    /// The result that follows the end of a turn.
    next: Option<Poll<Option<FrameEvent>>>,
}

/// The frames read since the socket last yielded, and their bytes.
#[derive(Default)]
struct Turn {
    frames: u32,
    bytes: usize,
}

impl Turn {
    fn add(&mut self, frame: &Frame) {
        self.frames += 1;
        self.bytes += bytes_of(frame);
    }

    fn is_over(&self) -> bool {
        self.frames >= FRAMES_PER_TURN || self.bytes >= BYTES_PER_TURN
    }
}

/// A frame that waits for its remaining permits.
type Held = Option<(Frame, OwnedSemaphorePermit)>;

enum State {
    /// Nothing is held.
    Idle,
    /// A permit is held; a frame is awaited.
    Reading(OwnedSemaphorePermit),
    /// Permits are awaited, perhaps for a large frame already read.
    Waiting { acquiring: Acquiring, held: Held, reported: bool },
    /// Permits were acquired after a pause.
    Resuming { permit: OwnedSemaphorePermit, held: Held },
    /// The socket ended.
    Ended,
}

impl PermittedFrames {
    /// Creates the stream with the permit acquired before the dial.
    pub(super) fn new(frames: SocketReader, permits: Permits, first: OwnedSemaphorePermit) -> Self {
        let (state, turn) = (State::Reading(first), Turn::default());
        Self { frames, permits, state, turn, is_in_turn: false, next: None }
    }

    /// Acquires a permit or starts to wait for one.
    fn acquire_first(&self) -> State {
        match self.acquire(1) {
            Ok(permit) => State::Reading(permit),
            Err(acquiring) => State::Waiting { acquiring, held: None, reported: false },
        }
    }

    /// Returns a frame with all its permits, or the state that waits for them.
    fn permit_frame(&self, frame: Frame, mut permit: OwnedSemaphorePermit) -> Result<FrameEvent, State> {
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
        let acquired = permits.clone().try_acquire_many_owned(count);
        acquired.map_err(|_| Box::pin(permits.clone().acquire_many_owned(count)) as Acquiring)
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
        // If that is pending, the waker of this task is registered already.
        if let Some(next) = self.next.take() {
            return next;
        }
        let polled = self.poll_event(cx);
        if matches!(polled, Poll::Ready(Some(FrameEvent::Frame(..)))) {
            self.is_in_turn = true;
        } else if std::mem::take(&mut self.is_in_turn) {
            self.next = Some(polled);
            return Poll::Ready(Some(FrameEvent::TurnEnded));
        }
        polled
    }
}

impl PermittedFrames {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameEvent>> {
        if self.turn.is_over() {
            self.turn = Turn::default();
            // Not by a wake at once: the thread would poll this socket dozens of times before it looks at the others.
            return pin!(yield_now()).poll(cx).map(|()| None);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Idle => self.state = self.acquire_first(),
                State::Reading(permit) => match self.frames.poll_next_unpin(cx) {
                    Poll::Pending => {
                        self.state = State::Reading(permit);
                        self.turn = Turn::default();
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(Ok(frame))) => {
                        self.turn.add(&frame);
                        match self.permit_frame(frame, permit) {
                            Ok(event) => {
                                self.state = State::Idle;
                                return Poll::Ready(Some(event));
                            }
                            Err(waiting) => self.state = waiting,
                        }
                    }
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
                    // The semaphore is never closed.
                    Poll::Ready(Err(_)) => return Poll::Ready(None),
                    Poll::Ready(Ok(permit)) => {
                        self.state = State::Resuming { permit, held };
                        return Poll::Ready(Some(FrameEvent::Resumed));
                    }
                },
                State::Resuming { permit, held: None } => self.state = State::Reading(permit),
                State::Resuming { permit, held: Some((frame, mut all)) } => {
                    all.merge(permit);
                    self.state = State::Idle;
                    return Poll::Ready(Some(FrameEvent::Frame(frame, all)));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, io::Write as _, os::unix::net::UnixStream as StdStream, rc::Rc};

    use tokio::{
        io::{AsyncReadExt as _, duplex},
        net::UnixStream,
        task::LocalSet,
    };

    use super::*;
    use crate::mattermost::{ClientLimits, Socket};

    /// The frames that wait at one socket.
    const FRAMES: usize = 40;

    /// Returns a text frame of a server.
    fn frame(length: usize) -> Vec<u8> {
        let mut bytes = vec![0x81, 127];
        bytes.extend((length as u64).to_be_bytes());
        bytes.resize(bytes.len() + length, b'x');
        bytes
    }

    /// Reads frames of this length from a socket that is never empty, beside a stream that has one byte. Returns the number
    /// of frames read before that byte.
    fn frames_before_another_stream(length: usize) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            let (server, client) = duplex(FRAMES * (length + 16));
            let mut server = pin!(server);
            tokio::io::AsyncWriteExt::write_all(&mut server, &frame(length).repeat(FRAMES)).await.unwrap();
            let (_writer, reader) = Socket::from_stream(client, &ClientLimits::default()).split();
            let permits = Permits::new(256);
            let first = permits.semaphore.clone().try_acquire_owned().unwrap();
            let mut frames = PermittedFrames::new(reader, permits, first);
            let read = Rc::new(RefCell::new(0));
            let counted = Rc::clone(&read);
            let reading = tokio::task::spawn_local(async move {
                while *counted.borrow() < FRAMES {
                    match frames.next().await {
                        Some(FrameEvent::Frame(..)) => *counted.borrow_mut() += 1,
                        Some(FrameEvent::TurnEnded) => {}
                        Some(FrameEvent::Broken(_) | FrameEvent::Paused | FrameEvent::Resumed) | None => {
                            panic!("the socket ended or paused")
                        }
                    }
                }
            });
            let (mut peer, other) = StdStream::pair().unwrap();
            other.set_nonblocking(true).unwrap();
            peer.write_all(b"x").unwrap();
            let mut other = UnixStream::from_std(other).unwrap();
            let beside = tokio::task::spawn_local(async move {
                other.read_u8().await.unwrap();
                *read.borrow()
            });
            reading.await.unwrap();
            beside.await.unwrap()
        })
    }

    #[test]
    fn other_sockets_have_their_turn_after_some_frames_or_one_large_one() {
        assert!(frames_before_another_stream(100) <= 2 * FRAMES_PER_TURN as usize);
        assert!(frames_before_another_stream(BYTES_PER_TURN) <= 2);
    }
}
