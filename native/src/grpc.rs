//! The gRPC protocol over HTTP/2: messages in frames, time limits, statuses.

use std::io::Read;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response};

pub const OK: i32 = 0;
pub const CANCELLED: i32 = 1;
pub const DEADLINE_EXCEEDED: i32 = 4;
pub const RESOURCE_EXHAUSTED: i32 = 8;
pub const UNIMPLEMENTED: i32 = 12;
pub const INTERNAL: i32 = 13;
pub const UNAVAILABLE: i32 = 14;
pub const CODES: usize = 17;

pub const PREFIX_BYTES: usize = 5;
const DIGITS: usize = 8; // of a time limit, as the protocol has it

/// A status that is not OK.
#[derive(Debug)]
pub struct Status {
    pub code: i32,
    pub text: String,
}

impl Status {
    pub fn new(code: i32, text: impl Into<String>) -> Self {
        Status { code, text: text.into() }
    }
}

/// The time that a caller waits, of its `grpc-timeout`: up to eight digits and a unit. What is none is no limit.
pub fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > DIGITS || !digits.bytes().all(|each| each.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// The one message of a unary call's body. `most` bounds it, before and after it is unpacked.
pub fn message(body: Bytes, headers: &HeaderMap, most: usize) -> Result<Bytes, Status> {
    if body.len() < PREFIX_BYTES {
        return Err(Status::new(INTERNAL, "the request has no message"));
    }
    let length = u32::from_be_bytes([body[1], body[2], body[3], body[4]]) as usize;
    if length > most {
        return Err(too_long(length, most));
    }
    if body.len() != PREFIX_BYTES + length {
        return Err(Status::new(INTERNAL, "a unary call has one whole message"));
    }
    match body[0] {
        0 => Ok(body.slice(PREFIX_BYTES..)),
        1 => unpacked(&body[PREFIX_BYTES..], headers, most),
        _ => Err(Status::new(INTERNAL, "the flag of compression is neither 0 nor 1")),
    }
}

/// For a call that there is no room or no time for.
pub fn busy() -> Status {
    Status::new(UNAVAILABLE, "too many calls wait here: try again later")
}

pub fn too_long(length: usize, most: usize) -> Status {
    Status::new(RESOURCE_EXHAUSTED, format!("the message has {length} bytes, and at most {most} are taken"))
}

fn unpacked(packed: &[u8], headers: &HeaderMap, most: usize) -> Result<Bytes, Status> {
    let encoding = headers.get("grpc-encoding").map_or(&b"identity"[..], HeaderValue::as_bytes);
    let mut found = Vec::new();
    let limit = most as u64 + 1;
    let read = match encoding {
        b"gzip" => flate2::read::MultiGzDecoder::new(packed).take(limit).read_to_end(&mut found),
        b"deflate" => flate2::read::ZlibDecoder::new(packed).take(limit).read_to_end(&mut found),
        _ => return Err(Status::new(UNIMPLEMENTED, "messages are taken as they are, or packed by gzip or deflate")),
    };
    match read {
        Ok(length) if length > most => Err(too_long(length, most)),
        Ok(_) => Ok(found.into()),
        Err(_) => Err(Status::new(INTERNAL, "the message cannot be unpacked")),
    }
}

/// A message with its prefix, not packed.
pub fn framed(message: &[u8]) -> Bytes {
    let mut found = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    found.put_u8(0);
    found.put_u32(message.len() as u32);
    found.put_slice(message);
    found.freeze()
}

pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The head of an answer that has a message.
pub fn head() -> Response<()> {
    let mut found = Response::new(());
    found.headers_mut().insert(http::header::CONTENT_TYPE, CONTENT_TYPE);
    found
}

/// The trailers of an answer that has a message.
pub fn success() -> HeaderMap {
    let mut found = HeaderMap::with_capacity(1);
    found.insert("grpc-status", HeaderValue::from_static("0"));
    found
}

/// The whole answer of a call that failed.
pub fn failure(status: &Status) -> Response<()> {
    let mut found = head();
    let headers = found.headers_mut();
    headers.insert("grpc-status", HeaderValue::from(status.code));
    if let Ok(text) = HeaderValue::try_from(percent_encoded(&status.text)) {
        headers.insert("grpc-message", text);
    }
    found
}

fn percent_encoded(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => found.push(byte as char),
            _ => found.push_str(&format!("%{byte:02X}")),
        }
    }
    found
}

/// How often a field of that number, of any length-delimited type, stands in a message: how many entries a report has,
/// without reading them. Of what is no message: 1, for it is a call.
pub fn occurrences(message: &[u8], field: u64) -> u64 {
    count(message, field).unwrap_or(1)
}

fn count(mut rest: &[u8], field: u64) -> Option<u64> {
    let mut found = 0;
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        found += u64::from(tag >> 3 == field && tag & 7 == 2);
        let skipped = match tag & 7 {
            0 => {
                varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        rest = rest.get(skipped..)?;
    }
    Some(found)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut found = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, left) = rest.split_first()?;
        *rest = left;
        found |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_static(text));
        timeout(&headers)
    }

    #[test]
    fn time_limits() {
        for (text, milliseconds) in
            [("1H", 3_600_000), ("2M", 120_000), ("3S", 3_000), ("40m", 40), ("5000u", 5), ("6000000n", 6)]
        {
            assert_eq!(limit(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", " 1S"] {
            assert_eq!(limit(text), None, "{text}");
        }
    }

    #[test]
    fn one_whole_message() {
        let headers = HeaderMap::new();
        assert_eq!(message(framed(b"hello"), &headers, 5).unwrap(), "hello");
        assert_eq!(message(framed(b""), &headers, 5).unwrap(), "");
        assert_eq!(message(framed(b"hello!"), &headers, 5).unwrap_err().code, RESOURCE_EXHAUSTED);
        for body in [&b""[..], b"\0\0\0\0", b"\0\0\0\0\x05hell", b"\0\0\0\0\x01ab", b"\x02\0\0\0\x01a", b"\x01\0\0\0\x01a"] {
            let found = message(Bytes::copy_from_slice(body), &headers, 5).unwrap_err().code;
            assert!(found == INTERNAL || found == UNIMPLEMENTED, "{body:?}");
        }
    }

    #[test]
    fn a_packed_message_is_bounded_as_it_unpacks() {
        use std::io::Write;
        let mut headers = HeaderMap::new();
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&[0; 1_000_000]).unwrap();
        let packed = packer.finish().unwrap();
        let mut body = vec![1];
        body.extend((packed.len() as u32).to_be_bytes());
        body.extend(&packed);
        assert_eq!(message(body.clone().into(), &headers, 1_000_000).unwrap().len(), 1_000_000);
        assert_eq!(message(body.into(), &headers, 999_999).unwrap_err().code, RESOURCE_EXHAUSTED);
    }

    #[test]
    fn texts_of_statuses_are_plain() {
        assert_eq!(percent_encoded("50 % of\nä"), "50 %25 of%0A%C3%A4");
        let found = failure(&Status::new(INTERNAL, "a b"));
        assert_eq!(found.headers()["grpc-message"], "a b");
        assert_eq!(found.headers()["grpc-status"], "13");
    }

    #[test]
    fn fields_are_counted_without_reading_them() {
        assert_eq!(occurrences(b"", 1), 0);
        assert_eq!(occurrences(b"\x0a\x01a\x10\x05\x0a\x00\x12\x01b", 1), 2);
        assert_eq!(occurrences(b"\x0a\x05a", 1), 1, "no message: it is a call");
        assert_eq!(occurrences(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1), 1);
        assert_eq!(occurrences(b"\x09\0\0\0\0\0\0\0\0\x0d\0\0\0\0\x0a\0", 1), 1);
    }
}
