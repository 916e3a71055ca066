//! Buffers that a worker's connections take turns with: one that waits for something needs none.

use std::cell::RefCell;

use bytes::BytesMut;

use crate::http1::Field;

/// Buffers kept for the next one who needs one.
const KEPT_MAX: usize = 64;
/// Larger buffers are not kept.
const KEPT_BYTES_MAX: usize = 64 << 10;

#[derive(Debug, Default)]
pub(crate) struct Buffers {
    bytes: RefCell<Vec<BytesMut>>,
    fields: RefCell<Vec<Vec<Field>>>,
}

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> BytesMut {
        self.bytes.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, mut buffer: BytesMut) {
        let mut kept = self.bytes.borrow_mut();
        if kept.len() < KEPT_MAX && buffer.capacity() <= KEPT_BYTES_MAX {
            buffer.clear();
            kept.push(buffer);
        }
    }

    /// An empty list of headers.
    pub(crate) fn take_fields(&self) -> Vec<Field> {
        self.fields.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_back_fields(&self, mut fields: Vec<Field>) {
        let mut kept = self.fields.borrow_mut();
        if kept.len() < KEPT_MAX {
            fields.clear();
            kept.push(fields);
        }
    }
}
