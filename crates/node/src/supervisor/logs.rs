//! What children print, line by line.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::mpsc;

/// Bytes of a line; a longer one is cut into pieces of this size.
const LINE_MAX: usize = 8 << 10;

/// One line that a child printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who printed it, as in `order/0`.
    pub from: Arc<str>,
    /// The line without its end; what is not UTF-8 is replaced.
    pub text: String,
}

/// Passes on what `stream` carries until it ends. When `output` is full, the child waits.
pub(super) async fn forward(stream: impl AsyncRead + Unpin, from: Arc<str>, output: mpsc::Sender<Line>) {
    let mut reader = BufReader::with_capacity(LINE_MAX, stream);
    let mut line = Vec::new();
    let mut was_cut = false;
    loop {
        let (used, is_whole) = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            // The end of a line that was passed on when it reached its bound.
            Ok([b'\n', ..]) if was_cut => (1, false),
            Ok(bytes) => take_line(bytes, &mut line),
        };
        reader.consume(used);
        was_cut = is_whole && line.len() == LINE_MAX;
        if is_whole && !send(&mut line, &from, &output).await {
            return;
        }
    }
    if !line.is_empty() {
        send(&mut line, &from, &output).await;
    }
}

/// Moves bytes up to the end of a line, or to its bound, into `line`. Returns how many were used, and
/// whether the line is to be passed on.
fn take_line(bytes: &[u8], line: &mut Vec<u8>) -> (usize, bool) {
    let room = LINE_MAX - line.len();
    let end = bytes.iter().take(room).position(|&byte| byte == b'\n');
    let taken = end.unwrap_or_else(|| bytes.len().min(room));
    line.extend_from_slice(&bytes[..taken]);
    (taken + usize::from(end.is_some()), end.is_some() || line.len() == LINE_MAX)
}

/// Passes a line on; false when nobody listens any more.
async fn send(line: &mut Vec<u8>, from: &Arc<str>, output: &mpsc::Sender<Line>) -> bool {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let text = String::from_utf8_lossy(line).into_owned();
    line.clear();
    output.send(Line { from: Arc::clone(from), text }).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(printed: &[u8], expected: &[&str]) {
        let (output, mut lines) = mpsc::channel(16);
        forward(printed, "a/0".into(), output).await;
        let mut seen = Vec::new();
        while let Some(line) = lines.recv().await {
            assert_eq!(&*line.from, "a/0");
            seen.push(line.text);
        }
        assert_eq!(seen, expected);
    }

    #[tokio::test]
    async fn passes_lines_on() {
        check(b"one\ntwo\r\n\nthree", &["one", "two", "", "three"]).await;
    }

    #[tokio::test]
    async fn replaces_what_is_not_text() {
        check(b"a\xffb\n", &["a\u{fffd}b"]).await;
    }

    #[tokio::test]
    async fn cuts_a_line_that_is_too_long() {
        let whole = "x".repeat(LINE_MAX);
        check(format!("{whole}yz\n").as_bytes(), &[&whole, "yz"]).await;
        // The bound itself is no reason for an empty line after it.
        check(format!("{whole}\nnext\n").as_bytes(), &[&whole, "next"]).await;
    }
}
