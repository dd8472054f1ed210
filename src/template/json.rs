//! Values of templates as JSON, for programs outside: under the same names, each amount and date as its reader writes it and raw.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Value, ValueKind};
use serde_json::{Map, Value as Json, json};

use crate::template::image::made_image;
use crate::template::value::{DateObject, DecimalObject, MoneyObject, is_empty_variable};

/// Returns a template's value as JSON.
///
/// What prints in its reader's convention has that as `text`, besides its parts: an amount `short`, `amount`, `currency`, `is_zero`
/// and `is_negative`, a date `short`, `iso`, `year`, `month` and `day`, an exact number `number`. An image that is made has its
/// `alt` as `text` too, `content_type` and `base64`. An empty text is `""`. What is not defined, and functions, are left out.
pub fn json_of(value: &Value) -> Json {
    known(value).unwrap_or(Json::Null)
}

fn known(value: &Value) -> Option<Json> {
    if let Some(object) = value.downcast_object_ref::<MoneyObject>() {
        return Some(parts(value, object.short(), &["amount", "currency", "is_zero", "is_negative"]));
    }
    if let Some(object) = value.downcast_object_ref::<DateObject>() {
        return Some(parts(value, object.short(), &["iso", "year", "month", "day"]));
    }
    if let Some(object) = value.downcast_object_ref::<DecimalObject>() {
        return Some(json!({ "text": value.to_string(), "number": object.number.to_string() }));
    }
    if let Some((image, parts)) = made_image(value) {
        let mut told = json!({
            "text": image.alternative,
            "alt": image.alternative,
            "content_type": image.content_type(),
            "base64": STANDARD.encode(&image.bytes),
        });
        if let (Some(told), Some(Json::Object(parts))) = (told.as_object_mut(), known(&parts)) {
            told.extend(parts);
        }
        return Some(told);
    }
    match value.kind() {
        ValueKind::None => Some(Json::Null),
        ValueKind::Bool => Some(value.is_true().into()),
        ValueKind::Number => Some(value.as_i64().map_or_else(|| value.to_string().into(), Json::from)),
        ValueKind::String => Some(value.to_string().into()),
        ValueKind::Seq | ValueKind::Iterable => Some(value.try_iter().ok()?.filter_map(|own| known(&own)).collect()),
        ValueKind::Map => {
            let names = value.try_iter().ok()?;
            let entries = names.filter_map(|name| Some((name.to_string(), known(&value.get_item(&name).ok()?)?)));
            Some(Json::Object(entries.collect::<Map<_, _>>()))
        }
        _ => is_empty_variable(value).then(|| "".into()),
    }
}

/// Returns a value as its reader writes it, with its parts under the names that templates ask for them by.
fn parts(value: &Value, short: String, names: &[&str]) -> Json {
    let own = names.iter().filter_map(|name| Some(((*name).to_owned(), known(&value.get_attr(name).ok()?)?)));
    let written = [("text".to_owned(), value.to_string().into()), ("short".to_owned(), short.into())];
    Json::Object(written.into_iter().chain(own).collect())
}
