//! Schemas made strict: an object has the properties that its schema names, and no others.
//!
//! JSON Schema leaves objects open unless they say otherwise. Here every object that names properties and says nothing
//! about others is closed. A part of a composition (`allOf`) sees only its own properties, so parts stay open and the
//! whole is closed; a component that is such a part somewhere therefore exists in two forms.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

const COMPONENTS: &str = "#/components/schemas/";
const PARTS: &str = "#/components/parts/";

/// The components of a document: `schemas` closed, and `parts` for use in a composition.
pub(super) fn components(document: &Value) -> Value {
    let none = Map::new();
    let schemas = document["components"]["schemas"].as_object().unwrap_or(&none);
    let each = |part: bool| -> Map<String, Value> {
        schemas.iter().map(|(name, schema)| (name.clone(), strict(schema, part))).collect()
    };
    json!({"schemas": each(false), "parts": each(true)})
}

/// A validator (draft 2020-12, formats asserted) for `schema`, made strict, with `components` from [`components`].
pub(super) fn compile(schema: &Value, components: &Value) -> Result<Validator, String> {
    let mut root = strict(schema, false);
    if let Value::Object(root) = &mut root {
        root.insert("components".to_owned(), components.clone());
    }
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&root)
        .map_err(|error| format!("the schema itself is wrong: {error}: {schema}"))
}

/// `part`: the schema stands in a composition, which closes the whole.
fn strict(schema: &Value, part: bool) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let has = |keyword: &str| schema.contains_key(keyword);
    let composed = has("allOf") || (has("properties") && ["$ref", "oneOf", "anyOf"].into_iter().any(has));
    let rewritten = schema.iter().map(|(keyword, value)| {
        let value = match keyword.as_str() {
            "properties" | "patternProperties" | "$defs" => each_member(value),
            "items" | "additionalProperties" => strict(value, false),
            "prefixItems" => each_element(value, false),
            "allOf" | "oneOf" | "anyOf" => each_element(value, part || composed),
            "$ref" if part || composed => value.as_str().unwrap_or_default().replacen(COMPONENTS, PARTS, 1).into(),
            _ => value.clone(),
        };
        (keyword.clone(), value)
    });
    let mut result: Map<String, Value> = rewritten.collect();
    let says_so_itself = has("additionalProperties") || has("unevaluatedProperties");
    if (composed || has("properties")) && !part && !says_so_itself {
        result.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
    Value::Object(result)
}

fn each_member(schemas: &Value) -> Value {
    let Value::Object(schemas) = schemas else { return schemas.clone() };
    schemas.iter().map(|(name, schema)| (name.clone(), strict(schema, false))).collect::<Map<_, _>>().into()
}

fn each_element(schemas: &Value, part: bool) -> Value {
    let Value::Array(schemas) = schemas else { return schemas.clone() };
    schemas.iter().map(|schema| strict(schema, part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(schema: &Value, instance: &Value) -> bool {
        let document = json!({"components": {"schemas": {
            "Level": {"type": "object", "properties": {"quantity": {"type": "integer"}}, "required": ["quantity"]},
            "Kept": {"allOf": [{"$ref": "#/components/schemas/Level"}, {"type": "object", "properties": {"at": {"type": "string"}}}]},
        }}});
        compile(schema, &components(&document)).expect("a schema").is_valid(instance)
    }

    #[test]
    fn an_object_has_no_property_that_its_schema_does_not_name() {
        let level = json!({"$ref": "#/components/schemas/Level"});
        assert!(accepts(&level, &json!({"quantity": 1})));
        assert!(!accepts(&level, &json!({"quantity": 1, "more": 1})));
        let list = json!({"type": "array", "items": level});
        assert!(accepts(&list, &json!([{"quantity": 1}])) && !accepts(&list, &json!([{"quantity": 1, "more": 1}])));
        let nested = json!({"properties": {"level": {"oneOf": [{"type": "null"}, level]}}});
        assert!(accepts(&nested, &json!({"level": null})) && accepts(&nested, &json!({"level": {"quantity": 1}})));
        assert!(!accepts(&nested, &json!({"level": {"quantity": 1, "more": 1}})));
    }

    #[test]
    fn a_composition_is_closed_as_a_whole() {
        let kept = json!({"$ref": "#/components/schemas/Kept"});
        assert!(accepts(&kept, &json!({"quantity": 1, "at": "now"})));
        assert!(!accepts(&kept, &json!({"quantity": 1, "at": "now", "more": 1})));
        let extended = json!({"allOf": [kept, {"properties": {"by": {"type": "string"}}}]});
        assert!(accepts(&extended, &json!({"quantity": 1, "at": "now", "by": "me"})));
        assert!(!accepts(&extended, &json!({"quantity": 1, "more": 1})));
    }

    #[test]
    fn a_map_and_an_object_of_anything_stay_open() {
        assert!(accepts(&json!({"type": "object"}), &json!({"any": 1})));
        let map = json!({"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}});
        assert!(accepts(&map, &json!({"any": 1})) && !accepts(&map, &json!({"any": "text"})));
    }

    #[test]
    fn formats_are_asserted() {
        let id = json!({"type": "string", "format": "uuid"});
        assert!(accepts(&id, &json!("5ba52b28-0660-54e0-a935-615efcb68195")) && !accepts(&id, &json!("x")));
        let time = json!({"type": "string", "format": "date-time"});
        assert!(accepts(&time, &json!("2026-11-22T10:10:00.000Z")) && !accepts(&time, &json!("yesterday")));
    }
}
