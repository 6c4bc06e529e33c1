use std::{collections::HashMap, io};

/// Size of the pieces in which writes are kept: that of redb's pages.
const PIECE: usize = 4096;

/// Limit of the kept writes in bytes. Inspecting a store writes a few pages, and migrating one at most all of it.
const MAX_BYTES: usize = 1 << 30;

/// Writes kept in memory over an unchanged file, so that it can be opened and even repaired without being changed.
#[derive(Debug)]
pub(super) struct Overlay {
    pieces: HashMap<u64, Box<[u8]>>,
    /// The apparent length of the file.
    len: u64,
    /// The length of the real file that is still visible. Bytes that were cut off once do not reappear.
    visible: u64,
}

impl Overlay {
    /// Creates an empty overlay over a file of the given length.
    pub(super) fn new(len: u64) -> Self {
        Self { pieces: HashMap::new(), len, visible: len }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.visible = self.visible.min(len);
            let end = len.div_ceil(PIECE as u64);
            self.pieces.retain(|piece, _| *piece < end);
            let rest = usize::try_from(len % PIECE as u64).unwrap_or_default();
            if rest > 0
                && let Some(last) = self.pieces.get_mut(&(len / PIECE as u64))
            {
                last[rest..].fill(0);
            }
        }
        self.len = len;
    }

    /// Reads as if all writes had reached the file; `below` reads from the real file.
    pub(super) fn read(
        &self,
        offset: u64,
        out: &mut [u8],
        below: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (piece, within, part) in parts(offset, out.len()) {
            let out = &mut out[part];
            match self.pieces.get(&piece) {
                Some(held) => out.copy_from_slice(&held[within..within + out.len()]),
                None => self.read_below(piece * PIECE as u64 + within as u64, out, &below)?,
            }
        }
        Ok(())
    }

    /// Keeps a write; `below` reads from the real file.
    pub(super) fn write(
        &mut self,
        offset: u64,
        data: &[u8],
        below: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for (piece, within, part) in parts(offset, data.len()) {
            if !self.pieces.contains_key(&piece) {
                if self.pieces.len() >= MAX_BYTES / PIECE {
                    return Err(io::Error::other(format!(
                        "more than {MAX_BYTES} bytes would have to be kept in memory"
                    )));
                }
                let mut bytes = vec![0; PIECE].into_boxed_slice();
                self.read_below(piece * PIECE as u64, &mut bytes, &below)?;
                self.pieces.insert(piece, bytes);
            }
            let data = &data[part];
            if let Some(bytes) = self.pieces.get_mut(&piece) {
                bytes[within..within + data.len()].copy_from_slice(data);
            }
        }
        self.len = self.len.max(offset + data.len() as u64);
        Ok(())
    }

    /// Reads the visible part of the real file, and zeros beyond it.
    fn read_below(
        &self,
        offset: u64,
        out: &mut [u8],
        below: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let visible = usize::try_from(self.visible.saturating_sub(offset)).unwrap_or(usize::MAX);
        let (from_file, rest) = out.split_at_mut(visible.min(out.len()));
        rest.fill(0);
        if from_file.is_empty() { Ok(()) } else { below(offset, from_file) }
    }
}

/// Splits a range into pieces: for each its number, the offset in it, and the part of the range.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = usize::try_from(at % PIECE as u64).unwrap_or_default();
        let part = done..len.min(done + PIECE - within);
        done = part.end;
        Some((at / PIECE as u64, within, part))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let bytes = prop::collection::vec(1..=u8::MAX, 1..3 * PIECE);
        let write = (0u64..40_000, bytes).prop_map(|(offset, bytes)| Step::Write(offset, bytes));
        prop::collection::vec(prop_oneof![write, (0u64..60_000).prop_map(Step::SetLen)], 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_reads_like_a_file_with_the_same_writes(file in prop::collection::vec(1..=u8::MAX, 0..30_000), steps in steps()) {
            let below = |offset: u64, out: &mut [u8]| {
                let start = usize::try_from(offset).unwrap();
                out.copy_from_slice(file.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            };
            let mut overlay = Overlay::new(file.len() as u64);
            let mut model = file.clone();
            for step in steps {
                match step {
                    Step::Write(offset, bytes) => {
                        overlay.write(offset, &bytes, below).unwrap();
                        let start = usize::try_from(offset).unwrap();
                        model.resize(model.len().max(start + bytes.len()), 0);
                        model[start..start + bytes.len()].copy_from_slice(&bytes);
                    }
                    Step::SetLen(len) => {
                        overlay.set_len(len);
                        model.resize(usize::try_from(len).unwrap(), 0);
                    }
                }
                let mut read = vec![7; model.len()];
                overlay.read(0, &mut read, below).unwrap();
                prop_assert!(read == model);
            }
            prop_assert!(overlay.read(overlay.len(), &mut [0], below).is_err());
        }
    }
}
