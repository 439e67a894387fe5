//! Bodies, read strictly: size, media type, syntax, then each field with every fault told at once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

use crate::problem::{FieldError, Problem, ProblemCode};
use crate::quantity::QuantityError;
use crate::text::TextError;

/// The most bytes that a body may have.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;
/// A client that sends its body more slowly holds a connection for nothing.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Reads the whole body; more than `limit` bytes is `BODY_TOO_LARGE`.
pub async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(ProblemCode::BodyTooLarge, format!("a body may have at most {limit} bytes"));
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let broke_off =
        |why: &dyn fmt::Display| Problem::new(ProblemCode::MalformedJson, format!("the body broke off: {why}"));
    match tokio::time::timeout(BODY_WITHIN, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(broke_off(&error)),
        Err(_) => Err(broke_off(&format_args!("it was not complete after {} s", BODY_WITHIN.as_secs()))),
    }
}

/// The body must be announced as JSON.
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        let sent = if value.is_empty() { "none".to_owned() } else { format!("{value:?}") };
        let detail = format!("send the header Content-Type: application/json (sent: {sent})");
        Err(Problem::new(ProblemCode::UnsupportedMediaType, detail))
    }
}

/// Why a field's value was refused: a stable code, and words.
#[derive(Debug, Clone)]
pub struct Fault(pub &'static str, pub String);

impl From<TextError> for Fault {
    fn from(error: TextError) -> Self {
        Self(error.code(), error.to_string())
    }
}

impl From<QuantityError> for Fault {
    fn from(error: QuantityError) -> Self {
        Self(error.code(), error.to_string())
    }
}

impl From<crate::id::InvalidId> for Fault {
    fn from(error: crate::id::InvalidId) -> Self {
        Self("INVALID_FORMAT", error.to_string())
    }
}

/// The fields of a JSON object, taken one by one; what is left over at the end is unknown.
#[derive(Debug)]
pub struct Fields {
    values: BTreeMap<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// `MALFORMED_JSON` for what is no JSON (duplicate names and nesting over 32 included), `VALIDATION_FAILED` for JSON
    /// that is no object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let value = parse_strictly(bytes)?;
        let kind = kind(&value);
        if let Value::Object(map) = value {
            return Ok(Self { values: map.into_iter().collect(), errors: Vec::new() });
        }
        let detail = format!("the body must be a JSON object, not {kind}");
        Err(Problem::fields(vec![FieldError { field: String::new(), code: "WRONG_TYPE", detail }]))
    }

    /// A field that must be there; `null` counts as absent.
    pub fn required<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, Fault>) -> Option<T> {
        let faults = self.errors.len();
        let value = self.optional(name, read);
        if value.is_none() && self.errors.len() == faults {
            self.fault(name, Fault("REQUIRED", "is required".to_owned()));
        }
        value
    }

    /// A field that may be absent or `null`.
    pub fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, Fault>) -> Option<T> {
        let value = self.values.remove(name).filter(|value| !value.is_null())?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(name, fault);
                None
            }
        }
    }

    /// Every fault at once; without one, what `build` makes of the fields read. `build` gives `None` only for a
    /// required field that is missing, and that is a fault.
    pub fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, Problem> {
        for name in std::mem::take(&mut self.values).into_keys() {
            self.fault(&name, Fault("UNKNOWN_FIELD", "is not a field of this request".to_owned()));
        }
        if self.errors.is_empty() {
            Ok(build().expect("every required field was read, for none is at fault"))
        } else {
            Err(Problem::fields(self.errors))
        }
    }

    fn fault(&mut self, field: &str, Fault(code, detail): Fault) {
        self.errors.push(FieldError { field: field.to_owned(), code, detail });
    }
}

/// Reads a string and gives it, trimmed, to `parse`.
pub fn text<T, E: Into<Fault>>(parse: impl FnOnce(&str) -> Result<T, E>) -> impl FnOnce(&Value) -> Result<T, Fault> {
    move |value| {
        let text = value.as_str().ok_or_else(|| wrong_type("a string", value))?;
        parse(text.trim()).map_err(Into::into)
    }
}

/// Reads a whole number (1.0 and 1e2 are none) and gives it to `parse`.
pub fn whole<T, E: Into<Fault>>(parse: impl FnOnce(i64) -> Result<T, E>) -> impl FnOnce(&Value) -> Result<T, Fault> {
    move |value| {
        if !(value.is_i64() || value.is_u64()) {
            return Err(wrong_type("a whole number", value));
        }
        // A whole number that is no i64 is out of every range.
        parse(value.as_i64().unwrap_or(i64::MAX)).map_err(Into::into)
    }
}

fn wrong_type(wanted: &str, found: &Value) -> Fault {
    Fault("WRONG_TYPE", format!("must be {wanted}, not {}", kind(found)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction or an exponent",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn parse_strictly(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(ProblemCode::MalformedJson, "the body is empty; send a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| {
        let text = error.to_string();
        // Well-formed by RFC 8259, but larger than any number that a field takes.
        if text.starts_with("number out of range") {
            Problem::fields(vec![FieldError { field: String::new(), code: "OUT_OF_RANGE", detail: text }])
        } else {
            Problem::new(ProblemCode::MalformedJson, text)
        }
    })
}

/// Builds a [`Value`] but refuses duplicate names and deep nesting, which `serde_json` alone lets pass.
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.deeper()?)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = serde_json::Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if values.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate name {name:?}")));
            }
            let value = map.next_value_seed(self.deeper()?)?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::PositiveQuantity;
    use crate::text::Sku;

    fn code(bytes: &[u8]) -> Option<ProblemCode> {
        Fields::parse(bytes).err().map(|problem| problem.code)
    }

    #[test]
    fn syntax_duplicates_and_depth_are_malformed() {
        let deep = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
        for wrong in
            ["", " ", "{", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"b\":1}}", "\u{feff}{}", &deep(32)]
        {
            assert_eq!(code(wrong.as_bytes()), Some(ProblemCode::MalformedJson), "{wrong}");
        }
        assert_eq!(code(b"{\"a\":\"\xff\"}"), Some(ProblemCode::MalformedJson));
        assert_eq!(code(deep(31).as_bytes()), None);
    }

    #[test]
    fn json_that_is_no_object_is_invalid_rather_than_malformed() {
        for wrong in ["[]", "1", "\"x\"", "null", "{\"a\":1e999}"] {
            assert_eq!(code(wrong.as_bytes()), Some(ProblemCode::ValidationFailed), "{wrong}");
        }
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let mut fields = Fields::parse(br#"{"sku":"-","quantity":1.0,"colour":"red"}"#).expect("an object");
        let sku = fields.required("sku", text(Sku::parse));
        let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
        let name = fields.required("name", text(Sku::parse));
        let problem = fields.finish(|| Some((sku?, quantity?, name?))).expect_err("at fault");
        let found: Vec<_> = problem.errors.iter().map(|e| (e.field.as_str(), e.code)).collect();
        assert_eq!(
            found,
            [("sku", "INVALID_FORMAT"), ("quantity", "WRONG_TYPE"), ("name", "REQUIRED"), ("colour", "UNKNOWN_FIELD")]
        );
    }

    #[test]
    fn whole_numbers_are_written_without_fraction_or_exponent() {
        let read = |json: &str| {
            let value: Value = serde_json::from_str(json).expect("JSON");
            whole(PositiveQuantity::parse)(&value).map(PositiveQuantity::units).map_err(|Fault(code, _)| code)
        };
        assert_eq!(read("7"), Ok(7));
        for wrong in ["1.0", "1e2", "\"1\"", "true", "[]"] {
            assert_eq!(read(wrong), Err("WRONG_TYPE"), "{wrong}");
        }
        for wrong in ["0", "-1", "1000000001", "18446744073709551615"] {
            assert_eq!(read(wrong), Err("OUT_OF_RANGE"), "{wrong}");
        }
    }
}
