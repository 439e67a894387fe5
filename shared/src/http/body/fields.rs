//! The fields of a JSON object, taken one by one, and of the objects and arrays in it: every fault is told at once, by
//! its path.

use serde_json::{Map, Value};

use super::strict;
use crate::price::PriceError;
use crate::problem::{FieldError, Problem};
use crate::quantity::QuantityError;
use crate::reservation::{LinesError, TtlError};
use crate::text::TextError;

/// Why a field's value was refused: a stable code, and words.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl From<PriceError> for Fault {
    fn from(error: PriceError) -> Self {
        Self(error.code(), error.to_string())
    }
}

impl From<LinesError> for Fault {
    fn from(error: LinesError) -> Self {
        Self(error.code(), error.to_string())
    }
}

impl From<TtlError> for Fault {
    fn from(error: TtlError) -> Self {
        Self("OUT_OF_RANGE", error.to_string())
    }
}

impl From<crate::id::InvalidId> for Fault {
    fn from(error: crate::id::InvalidId) -> Self {
        Self("INVALID_FORMAT", error.to_string())
    }
}

/// Everything that is wrong with one value, by paths that begin at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// By paths that begin where the value itself has the path `place`.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        for FieldError { field, .. } in &mut self.0 {
            let dot = if field.is_empty() || field.starts_with('[') { "" } else { "." };
            *field = format!("{place}{dot}{field}");
        }
        self
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

impl From<Fault> for Faults {
    fn from(Fault(code, detail): Fault) -> Self {
        Self(vec![FieldError { field: String::new(), code, detail }])
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        Self::fields(faults.0)
    }
}

/// The fields of a JSON object; what is left over at the end is unknown.
#[derive(Debug, Default)]
pub struct Fields {
    values: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// `MALFORMED_JSON` for what is no JSON (duplicate names and nesting over 32 included), `VALIDATION_FAILED` for JSON
    /// that is no object.
    pub fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let value = strict::parse(bytes)?;
        let kind = kind(&value);
        Self::of(value).map_err(|_| {
            let detail = format!("the body must be a JSON object, not {kind}");
            Faults::from(Fault("WRONG_TYPE", detail)).into()
        })
    }

    fn of(value: Value) -> Result<Self, Fault> {
        let Value::Object(values) = value else { return Err(wrong_type("an object", &value)) };
        Ok(Self { values, errors: Vec::new() })
    }

    /// Whether a field is still to be read, and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.is_null())
    }

    /// A field that must be there; `null` counts as absent.
    pub fn required<T, E: Into<Faults>>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, E>) -> Option<T> {
        if !self.has(name) {
            self.values.remove(name);
            self.fault(name, Fault("REQUIRED", "is required".to_owned()));
        }
        self.optional(name, read)
    }

    /// A field that may be absent or `null`.
    pub fn optional<T, E: Into<Faults>>(&mut self, name: &str, read: impl FnOnce(Value) -> Result<T, E>) -> Option<T> {
        let value = self.values.remove(name).filter(|value| !value.is_null())?;
        read(value).map_err(|faults| self.errors.extend(faults.into().within(name).0)).ok()
    }

    /// A field that must be there and may be `null`, which says something else than leaving it out.
    pub fn nullable<T, E: Into<Faults>>(
        &mut self,
        name: &str,
        read: impl FnOnce(Value) -> Result<T, E>,
    ) -> Option<Option<T>> {
        match self.values.get(name) {
            None => {
                self.fault(name, Fault("REQUIRED", "must be sent; it may be null".to_owned()));
                None
            }
            Some(Value::Null) => {
                self.values.remove(name);
                Some(None)
            }
            Some(_) => self.optional(name, read).map(Some),
        }
    }

    /// One of two fields that say the same in different words: one must be there, and not both.
    pub fn either<T, E: Into<Faults>, F: Into<Faults>>(
        &mut self,
        (one, read_one): (&str, impl FnOnce(Value) -> Result<T, E>),
        (other, read_other): (&str, impl FnOnce(Value) -> Result<T, F>),
    ) -> Option<T> {
        let (has_one, has_other) = (self.has(one), self.has(other));
        let (read_one, read_other) = (self.optional(one, read_one), self.optional(other, read_other));
        match (has_one, has_other) {
            (false, false) => self.fault(one, Fault("REQUIRED", format!("is required, or {other}"))),
            (true, true) => self.fault(other, exclusive(one)),
            (true, false) | (false, true) => return read_one.or(read_other),
        }
        None
    }

    /// A field that cannot be there because another one is; `null` counts as absent.
    pub fn exclude(&mut self, name: &str, other: &str) {
        if self.values.remove(name).is_some_and(|value| !value.is_null()) {
            self.fault(name, exclusive(other));
        }
    }

    /// Leaves all other fields unread: it is not known what they should be.
    pub fn ignore_rest(&mut self) {
        self.values.clear();
    }

    /// Says of a field what is wrong.
    pub fn fault(&mut self, name: &str, fault: Fault) {
        self.errors.extend(Faults::from(fault).within(name).0);
    }

    /// Every fault at once; without one, `read`, which is `None` only for a field that is at fault.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Faults> {
        for (name, _) in std::mem::take(&mut self.values) {
            self.fault(&name, Fault("UNKNOWN_FIELD", "is not a field of this request".to_owned()));
        }
        if self.errors.is_empty() {
            Ok(read.expect("every required field was read, for none is at fault"))
        } else {
            Err(Faults(self.errors))
        }
    }
}

fn exclusive(other: &str) -> Fault {
    Fault("EXCLUSIVE", format!("cannot be given together with {other}"))
}

/// Reads a string and gives it, trimmed, to `parse`.
pub fn text<T, E: Into<Fault>>(parse: impl FnOnce(&str) -> Result<T, E>) -> impl FnOnce(Value) -> Result<T, Fault> {
    move |value| {
        let text = value.as_str().ok_or_else(|| wrong_type("a string", &value))?;
        parse(text.trim()).map_err(Into::into)
    }
}

/// Reads a whole number (1.0 and 1e2 are none) and gives it to `parse`.
pub fn whole<T, E: Into<Fault>>(parse: impl FnOnce(i64) -> Result<T, E>) -> impl FnOnce(Value) -> Result<T, Fault> {
    move |value| {
        if !(value.is_i64() || value.is_u64()) {
            return Err(wrong_type("a whole number", &value));
        }
        // A whole number that is no i64 is out of every range.
        parse(value.as_i64().unwrap_or(i64::MAX)).map_err(Into::into)
    }
}

/// Reads `true` or `false`.
#[expect(clippy::needless_pass_by_value, reason = "it is a reader like the others")]
pub fn flag(value: Value) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| wrong_type("a boolean", &value))
}

/// Reads an object by its fields; `read` gives `None` only if one is at fault.
pub fn object<T>(read: impl FnOnce(&mut Fields) -> Option<T>) -> impl FnOnce(Value) -> Result<T, Faults> {
    move |value| {
        let mut fields = Fields::of(value)?;
        let read = read(&mut fields);
        fields.finish(read)
    }
}

/// Reads an array of 1 to `most` elements. Of one that has more, no element is looked at.
pub fn array<T, E: Into<Faults>>(
    most: usize,
    element: impl Fn(Value) -> Result<T, E>,
) -> impl FnOnce(Value) -> Result<Vec<T>, Faults> {
    move |value| {
        let Value::Array(values) = value else { return Err(wrong_type("an array", &value).into()) };
        if !(1..=most).contains(&values.len()) {
            let detail = format!("must have 1 to {most} elements, has {}", values.len());
            return Err(Fault("OUT_OF_RANGE", detail).into());
        }
        let (mut read, mut errors) = (Vec::with_capacity(values.len()), Vec::new());
        for (index, value) in values.into_iter().enumerate() {
            match element(value) {
                Ok(value) => read.push(value),
                Err(faults) => errors.extend(faults.into().within(&format!("[{index}]")).0),
            }
        }
        if errors.is_empty() { Ok(read) } else { Err(Faults(errors)) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::ProblemCode;
    use crate::quantity::{PositiveQuantity, Quantity};
    use crate::text::Sku;

    /// What `read` makes of an object, or the paths and codes of its faults.
    fn reading<T>(json: &str, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<T, Vec<(String, &'static str)>> {
        let mut fields = Fields::parse(json.as_bytes()).expect("an object");
        let read = read(&mut fields);
        let found = |Faults(errors)| errors.into_iter().map(|error: FieldError| (error.field, error.code)).collect();
        fields.finish(read).map_err(found)
    }

    fn at_fault<T>(faults: &[(&str, &'static str)]) -> Result<T, Vec<(String, &'static str)>> {
        Err(faults.iter().map(|&(field, code)| (field.to_owned(), code)).collect())
    }

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
        let found = reading(r#"{"sku":"-","quantity":1.0,"colour":"red"}"#, |fields| {
            let sku = fields.required("sku", text(Sku::parse));
            let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
            let name = fields.required("name", text(Sku::parse));
            Some((sku?, quantity?, name?))
        });
        let expected =
            [("sku", "INVALID_FORMAT"), ("quantity", "WRONG_TYPE"), ("name", "REQUIRED"), ("colour", "UNKNOWN_FIELD")];
        assert_eq!(found, at_fault(&expected));
    }

    #[test]
    fn a_fault_deep_inside_has_a_path_and_stands_beside_the_others() {
        let line = |fields: &mut Fields| {
            let sku = fields.required("sku", text(Sku::parse));
            let quantity = fields.required("quantity", whole(PositiveQuantity::parse));
            Some((sku?, quantity?))
        };
        let order = |fields: &mut Fields| {
            let lines = fields.required("lines", array(3, |value| object(line)(value)));
            let price = fields.optional("price", object(|fields| fields.required("amount", whole(Quantity::parse))));
            Some((lines?, price))
        };
        let found = reading(
            r#"{"lines":[{"sku":"A","quantity":0},{"sku":"B","quantity":1,"x":1},7],"price":{"amount":null},"y":1}"#,
            order,
        );
        let expected = [
            ("lines[0].quantity", "OUT_OF_RANGE"),
            ("lines[1].x", "UNKNOWN_FIELD"),
            ("lines[2]", "WRONG_TYPE"),
            ("price.amount", "REQUIRED"),
            ("y", "UNKNOWN_FIELD"),
        ];
        assert_eq!(found, at_fault(&expected));
        for (json, code) in [
            (r#"{"lines":[]}"#, "OUT_OF_RANGE"),
            (r#"{"lines":[1,2,3,4]}"#, "OUT_OF_RANGE"),
            (r#"{"lines":{}}"#, "WRONG_TYPE"),
            (r#"{"lines":null}"#, "REQUIRED"),
        ] {
            assert_eq!(reading(json, order), at_fault(&[("lines", code)]), "{json}");
        }
        assert_eq!(reading(r#"{"lines":[{"sku":"A","quantity":1}]}"#, order).map(|(lines, _)| lines.len()), Ok(1));
    }

    #[test]
    fn what_must_be_sent_may_be_null_and_may_not_be_left_out() {
        let threshold = |json| reading(json, |fields| fields.nullable("n", whole(Quantity::parse)));
        assert_eq!(threshold(r#"{"n":null}"#), Ok(None));
        assert_eq!(threshold(r#"{"n":7}"#), Ok(Some(Quantity::parse(7).expect("in range"))));
        assert_eq!(threshold("{}"), at_fault(&[("n", "REQUIRED")]));
        assert_eq!(threshold(r#"{"n":-7}"#), at_fault(&[("n", "OUT_OF_RANGE")]));
    }

    #[test]
    fn of_two_names_of_one_thing_exactly_one_is_sent() {
        let either = |json| {
            reading(json, |fields| {
                fields.either(("sku", text(Sku::parse)), ("code", text(|text: &str| Sku::parse(&format!("C{text}")))))
            })
            .map(|sku| sku.as_str().to_owned())
        };
        assert_eq!(either(r#"{"sku":"A"}"#).as_deref(), Ok("A"));
        assert_eq!(either(r#"{"code":"A","sku":null}"#).as_deref(), Ok("CA"));
        assert_eq!(either("{}"), at_fault(&[("sku", "REQUIRED")]));
        assert_eq!(either(r#"{"sku":"A","code":"A"}"#), at_fault(&[("code", "EXCLUSIVE")]));
        assert_eq!(either(r#"{"code":"-/-"}"#), at_fault(&[("code", "INVALID_FORMAT")]));
    }

    #[test]
    fn whole_numbers_are_written_without_fraction_or_exponent() {
        let read = |json: &str| {
            let value: Value = serde_json::from_str(json).expect("JSON");
            whole(PositiveQuantity::parse)(value).map(PositiveQuantity::units).map_err(|Fault(code, _)| code)
        };
        assert_eq!(read("7"), Ok(7));
        for wrong in ["1.0", "1e2", "\"1\"", "true", "[]"] {
            assert_eq!(read(wrong), Err("WRONG_TYPE"), "{wrong}");
        }
        for wrong in ["0", "-1", "1000000001", "18446744073709551615"] {
            assert_eq!(read(wrong), Err("OUT_OF_RANGE"), "{wrong}");
        }
    }

    #[test]
    fn a_flag_is_true_or_false_and_no_text() {
        assert_eq!(flag(Value::Bool(true)), Ok(true));
        assert!(flag("true".into()).is_err() && flag(1.into()).is_err());
    }
}
