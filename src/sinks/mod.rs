//! Where events go: implementations of [`matterhost_actors::ports::EventSink`].

pub mod stdout;
