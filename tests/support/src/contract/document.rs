//! An OpenAPI 3.1 document, and whether an answer is in it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use http::{Method, header};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Answer, schema};

/// What the transport adds; no document names it.
const TRANSPORT: [&str; 7] =
    ["connection", "content-length", "content-type", "date", "keep-alive", "transfer-encoding", "vary"];
/// What the answer to a request that no operation takes may carry besides.
const ON_STRAYS: [&str; 3] = ["allow", "cache-control", "x-request-id"];
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const PROBLEM_JSON: &str = "application/problem+json";

/// An OpenAPI document, ready to hold answers to. Validators are compiled at their first use, once.
#[derive(Debug)]
pub struct Document {
    templates: Vec<Template>,
    components: Value,
    stray: Response,
}

#[derive(Debug)]
struct Template {
    path: String,
    operations: BTreeMap<Method, BTreeMap<u16, Response>>,
}

#[derive(Debug)]
struct Response {
    /// Lower-case; whether it must be there.
    headers: BTreeMap<String, bool>,
    bodies: BTreeMap<String, Body>,
}

#[derive(Debug)]
struct Body {
    schema: Value,
    validator: OnceLock<Result<Validator, String>>,
}

impl Document {
    /// Reads a document; says what is wrong with it.
    pub fn new(document: &Value) -> Result<Self, String> {
        let paths = document["paths"].as_object().ok_or("no OpenAPI document: it has no paths")?;
        let template = |(path, item): (&String, &Value)| {
            let operations = METHODS.iter().filter_map(|&method| Some((method, item.get(method)?)));
            let operations = operations.map(|(method, operation)| {
                let name = method.to_ascii_uppercase();
                let responses = read_responses(document, operation).map_err(|why| format!("{name} {path}: {why}"))?;
                Ok((name.parse().expect("a method of the list above"), responses))
            });
            Ok(Template { path: path.clone(), operations: operations.collect::<Result<_, String>>()? })
        };
        let problem = json!({"$ref": "#/components/schemas/Problem"});
        let known = document.pointer("/components/schemas/Problem").is_some();
        let problem = if known { problem } else { json!({"type": "object", "required": ["code"]}) };
        Ok(Self {
            templates: paths.iter().map(template).collect::<Result<_, String>>()?,
            components: schema::components(document),
            stray: Response {
                headers: ON_STRAYS.iter().map(|&name| (name.to_owned(), false)).collect(),
                bodies: BTreeMap::from([(PROBLEM_JSON.to_owned(), Body::new(problem))]),
            },
        })
    }

    /// Every operation, as `(method, path template)`: so that a test can see that it has covered them all.
    pub fn operations(&self) -> impl Iterator<Item = (&Method, &str)> {
        self.templates.iter().flat_map(|template| template.operations.keys().map(|method| (method, &*template.path)))
    }

    /// Says what in `answer` is not documented for this request. `path` may have a query.
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) -> Result<(), String> {
        let path = path.split('?').next().unwrap_or_default();
        let matching = self.templates.iter().filter(|template| template.matches(path));
        let Some(template) = matching.max_by_key(|template| template.specificity()) else {
            return self
                .check_stray(method, answer, 404, "NOT_FOUND")
                .map_err(|fault| format!("no such path: {fault}"));
        };
        let documented = |method| template.operations.get(method);
        let own = documented(method);
        let Some(responses) = own.or_else(|| documented(if method == Method::HEAD { &Method::GET } else { method }))
        else {
            return self
                .check_stray(method, answer, 405, "METHOD_NOT_ALLOWED")
                .and_then(|()| answer.headers.get(header::ALLOW).map(drop).ok_or("a 405 must have Allow".to_owned()))
                .map_err(|fault| format!("{method} is not documented for {}: {fault}", template.path));
        };
        let Some(response) = responses.get(&answer.status) else {
            let known: Vec<_> = responses.keys().collect();
            return Err(format!("status {} is not documented for {}, only {known:?}", answer.status, template.path));
        };
        response.check(answer, method == Method::HEAD, &self.components)
    }

    /// The answer to what no operation takes: a problem with this status and code.
    fn check_stray(&self, method: &Method, answer: &Answer, status: u16, code: &str) -> Result<(), String> {
        if answer.status != status {
            return Err(format!("status {} instead of {status}", answer.status));
        }
        self.stray.check(answer, method == Method::HEAD, &self.components)?;
        if method == Method::HEAD || answer.code() == code {
            Ok(())
        } else {
            Err(format!("code {:?} instead of {code}", answer.code()))
        }
    }
}

impl Template {
    fn matches(&self, path: &str) -> bool {
        let mut asked = path.split('/');
        let all = self.path.split('/').all(|own| {
            let Some(asked) = asked.next() else { return false };
            if is_parameter(own) { !asked.is_empty() } else { own == asked }
        });
        all && asked.next().is_none()
    }

    /// Of two that match, the greater is meant: the one with a static segment where they first differ.
    fn specificity(&self) -> Vec<bool> {
        self.path.split('/').map(|segment| !is_parameter(segment)).collect()
    }
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

impl Response {
    fn check(&self, answer: &Answer, head: bool, components: &Value) -> Result<(), String> {
        let status = answer.status;
        for name in answer.headers.keys().map(header::HeaderName::as_str) {
            let by_status = status == 405 && name == "allow";
            if !TRANSPORT.contains(&name) && !by_status && !self.headers.contains_key(name) {
                return Err(format!("the header {name} is not documented for status {status}"));
            }
        }
        for (name, _) in self.headers.iter().filter(|(_, required)| **required) {
            if !answer.headers.contains_key(name) {
                return Err(format!("the header {name} is required for status {status}, and is missing"));
            }
        }
        self.check_body(answer, head, components)
    }

    fn check_body(&self, answer: &Answer, head: bool, components: &Value) -> Result<(), String> {
        let status = answer.status;
        if (head || self.bodies.is_empty()) && !answer.body.is_empty() {
            return Err(format!("status {status} has a body where none is documented"));
        }
        let media_type = answer.header("content-type").map(essence);
        let Some(media_type) = media_type else {
            let none = self.bodies.is_empty();
            return if none { Ok(()) } else { Err(format!("status {status} has no content type")) };
        };
        let Some(body) = self.bodies.get(&media_type) else {
            let known: Vec<_> = self.bodies.keys().collect();
            return Err(format!("content type {media_type} is not documented for status {status}, only {known:?}"));
        };
        if head || !media_type.ends_with("json") { Ok(()) } else { body.check(&answer.body, components) }
    }
}

impl Body {
    fn new(schema: Value) -> Self {
        Self { schema, validator: OnceLock::new() }
    }

    fn check(&self, bytes: &[u8], components: &Value) -> Result<(), String> {
        let instance: Value = serde_json::from_slice(bytes).map_err(|error| format!("the body is no JSON: {error}"))?;
        let validator = self.validator.get_or_init(|| schema::compile(&self.schema, components));
        let validator = validator.as_ref().map_err(Clone::clone)?;
        let faults: Vec<_> = validator
            .iter_errors(&instance)
            .map(|error| format!("at {:?}: {error}", error.instance_path().to_string()))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(format!("the body breaks its schema: {}", faults.join("; "))) }
    }
}

fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn read_responses(document: &Value, operation: &Value) -> Result<BTreeMap<u16, Response>, String> {
    let responses = operation["responses"].as_object().ok_or("the operation has no responses")?;
    let response = |(status, response): (&String, &Value)| {
        let number = status.parse().map_err(|_| format!("status {status} is no number: name each one"))?;
        Ok((number, read_response(document, resolve(document, response)?)?))
    };
    responses.iter().map(response).collect()
}

fn read_response(document: &Value, response: &Value) -> Result<Response, String> {
    let headers = response["headers"].as_object().into_iter().flatten().map(|(name, header)| {
        let required = resolve(document, header)?["required"] == true;
        Ok((name.to_ascii_lowercase(), required))
    });
    let bodies = response["content"].as_object().into_iter().flatten();
    let bodies = bodies.map(|(media_type, content)| {
        (essence(media_type), Body::new(content.get("schema").cloned().unwrap_or(Value::Bool(true))))
    });
    Ok(Response { headers: headers.collect::<Result<_, String>>()?, bodies: bodies.collect() })
}

/// What a local reference points at, or the value itself.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> Result<&'a Value, String> {
    let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
    let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
    target.ok_or_else(|| format!("nothing is at {reference}"))
}
