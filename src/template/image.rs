//! Images that a mail shows: a file beside the templates, or one made for the mail, such as a payment code.
//!
//! A template writes `<img src="{{ image("logo.png") }}" alt="ACME">`; the address it gets names a part of the same mail
//! (`cid:`), so nothing is fetched when the mail is read and nobody learns when that is. Nothing here writes the parts.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{AutoEscape, Error, ErrorKind, State};

use crate::domain::problem::nearest;

/// How many bytes an image may have: a logo has 20 kB, and a mail carries its images to each of its readers.
pub const IMAGE_BYTES_MAX: usize = 512 * 1024;

/// How many different images a mail may show.
pub const IMAGES_MAX: usize = 10;

/// How many bytes the images of one mail may have together: 1 MiB.
pub const IMAGES_BYTES_MAX: usize = 1024 * 1024;

/// How many image files a workspace may have.
pub const IMAGE_FILES_MAX: usize = 500;

/// The endings of image files, each with its content type: what mail programs show, which leaves SVG and WebP out.
pub const IMAGE_ENDINGS: [(&str, &str); 4] =
    [(".png", "image/png"), (".jpg", "image/jpeg"), (".jpeg", "image/jpeg"), (".gif", "image/gif")];

/// An image file of the workspace as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// The path relative to the workspace: `rules/templates/logo.png`.
    pub path: String,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// An image that a mail shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What it is called in the mail: `logo.png`. Letters, digits and `-_.`, with an ending of [`IMAGE_ENDINGS`].
    pub name: String,
    /// Its bytes: PNG, JPEG or GIF.
    pub bytes: Arc<[u8]>,
    /// What a reader is told who does not see it, in their language; empty for a file, whose template says it.
    pub alternative: String,
}

impl Image {
    /// Returns its content type, by its ending.
    pub fn content_type(&self) -> &'static str {
        content_type(&self.name).unwrap_or("application/octet-stream")
    }
}

/// An image that one mail shows, with the id under which its HTML names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownImage {
    /// The Content-ID, without brackets.
    pub content_id: String,
    /// The image.
    pub image: Image,
}

/// Returns the content type that the ending of a file's name stands for, if it is that of an image.
pub(crate) fn content_type(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    IMAGE_ENDINGS.iter().find(|(ending, _)| name.len() > ending.len() && name.ends_with(ending)).map(|(_, kind)| *kind)
}

/// Returns why an image cannot be shown, if it cannot: its name, its size, or bytes that are something else.
pub fn image_fault(name: &str, bytes: &[u8]) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(is_plain) || name.starts_with(['.', '-']) || name.len() > 100 {
        return Some(format!("`{name}` is no name of an image: use up to 100 letters, digits and -_."));
    }
    let Some(content_type) = content_type(name) else {
        return Some(format!("`{name}` is no image that mail programs show: use .png, .jpg, .jpeg or .gif"));
    };
    if bytes.len() > IMAGE_BYTES_MAX {
        return Some(format!("`{name}` has {} bytes, more than {IMAGE_BYTES_MAX}", bytes.len()));
    }
    // What a file begins with. Source: ISO/IEC 15948 §5.2 (PNG), ISO/IEC 10918-1 B.1.1.3 (JPEG), GIF89a §17.
    let begins: &[&[u8]] = match content_type {
        "image/png" => &[b"\x89PNG\r\n\x1a\n"],
        "image/jpeg" => &[b"\xff\xd8\xff"],
        _ => &[b"GIF87a", b"GIF89a"],
    };
    let kind = content_type.trim_start_matches("image/").to_ascii_uppercase();
    (!begins.iter().any(|start| bytes.starts_with(start))).then(|| format!("`{name}` is no {kind} file"))
}

/// Returns an image that is made for a mail, as templates see it: `image(…)` shows it, `.alt` says what it is, and `parts` are what
/// else it has. `make` gives its bytes of what it is an image of, the same each time, once a template shows it.
pub fn image_value<T: Send + Sync + 'static>(
    name: &str,
    alternative: String,
    parts: Value,
    of: T,
    make: fn(&T) -> Arc<[u8]>,
) -> Value {
    let of = Arc::new(of);
    let shown = Arc::clone(&of);
    Value::from_object(MadeImage { name: name.to_owned(), alternative, parts, of, make: Box::new(move || make(&shown)) })
}

/// Returns what a value is an image of, where it is one of that kind.
pub fn image_of<T: Clone + 'static>(value: &Value) -> Option<T> {
    value.downcast_object_ref::<MadeImage>()?.of.downcast_ref::<T>().cloned()
}

/// Returns the image that is made for a mail and what else it has, where a value is one.
pub(crate) fn made_image(value: &Value) -> Option<(Image, Value)> {
    let MadeImage { name, alternative, parts, make, .. } = value.downcast_object_ref::<MadeImage>()?;
    Some((Image { name: name.clone(), bytes: make(), alternative: alternative.clone() }, parts.clone()))
}

/// An image as a value of a template.
struct MadeImage {
    name: String,
    alternative: String,
    parts: Value,
    of: Arc<dyn Any + Send + Sync>,
    make: Box<dyn Fn() -> Arc<[u8]> + Send + Sync>,
}

impl fmt::Debug for MadeImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MadeImage({})", self.name)
    }
}

impl Object for MadeImage {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "alt" => Some(Value::from(self.alternative.as_str())),
            "name" => Some(Value::from(self.name.as_str())),
            _ => self.parts.get_item(key).ok().filter(|part| !part.is_undefined()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.alternative)
    }
}

/// The function `image` of one mail, and what it was asked for.
#[derive(Clone, Debug)]
pub struct Album(Arc<Pages>);

#[derive(Debug)]
struct Pages {
    files: Arc<BTreeMap<String, Image>>,
    /// What makes the ids of this mail's images its own: `key@domain`.
    tail: String,
    shown: Mutex<Vec<ShownImage>>,
}

impl Album {
    /// Returns the function for one mail; `tail` is the mail's own id, `key@domain`.
    pub(crate) fn new(files: &Arc<BTreeMap<String, Image>>, tail: &str) -> Self {
        Self(Arc::new(Pages { files: Arc::clone(files), tail: tail.to_owned(), shown: Mutex::default() }))
    }

    /// Returns the function as a value for the template's context, under [`IMAGE_FUNCTION`].
    pub fn value(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.0))
    }

    /// Returns what was shown, in the order it was asked for first.
    pub(crate) fn shown(&self) -> Vec<ShownImage> {
        std::mem::take(&mut *self.0.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The name of the function that shows an image.
pub const IMAGE_FUNCTION: &str = "image";

impl Pages {
    /// Returns the address of an image, which is part of the mail from now on.
    fn show(&self, image: &Image) -> Result<String, Error> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shown.iter().find(|known| known.image == *image) {
            return Ok(format!("cid:{}", known.content_id));
        }
        let byte_count: usize = shown.iter().map(|known| known.image.bytes.len()).sum();
        if shown.len() == IMAGES_MAX {
            return Err(wrong(format!("The mail shows more than {IMAGES_MAX} images")));
        }
        if byte_count + image.bytes.len() > IMAGES_BYTES_MAX {
            return Err(wrong(format!("The images of the mail have more than {IMAGES_BYTES_MAX} bytes together")));
        }
        let content_id = format!("image-{}.{}", shown.len() + 1, self.tail);
        let address = format!("cid:{content_id}");
        shown.push(ShownImage { content_id, image: image.clone() });
        Ok(address)
    }
}

impl Object for Pages {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        if !matches!(state.auto_escape(), AutoEscape::Html) {
            return Err(wrong("Only the HTML of a mail can show an image".to_owned()));
        }
        let [wanted] = arguments else {
            return Err(wrong("`image` takes one image: `image(\"logo.png\")`".to_owned()));
        };
        if let Some(MadeImage { name, alternative, make, .. }) = wanted.downcast_object_ref::<MadeImage>() {
            let image = Image { name: name.clone(), bytes: make(), alternative: alternative.clone() };
            return match image_fault(&image.name, &image.bytes) {
                Some(fault) => Err(wrong(fault)),
                None => self.show(&image).map(Value::from),
            };
        }
        let name = wanted.as_str().ok_or_else(|| wrong(format!("`{wanted}` is no image")))?;
        match self.files.get(name) {
            Some(image) => self.show(image).map(Value::from),
            None => Err(wrong(image_missing(name, self.files.keys()))),
        }
    }
}

/// Says that there is no image file of that name.
pub(crate) fn image_missing<'n>(name: &str, files: impl Iterator<Item = &'n String>) -> String {
    match nearest(name, files.map(String::as_str)) {
        Some(near) => format!("Image `{name}` is not there; did you mean `{near}`?"),
        None => format!("Image `{name}` is not there; it has to lie in `rules/templates/`"),
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_what_its_name_says_and_no_larger_than_it_may_be() {
        let png = b"\x89PNG\r\n\x1a\nrest".as_slice();
        for (name, bytes) in
            [("logo.png", png), ("a.JPG", b"\xff\xd8\xff\xe0"), ("b.jpeg", b"\xff\xd8\xff"), ("c.gif", b"GIF89a")]
        {
            assert_eq!(image_fault(name, bytes), None, "{name}");
        }
        let large = [png, &vec![0; IMAGE_BYTES_MAX]].concat();
        for (name, bytes, expected) in [
            ("logo.jpg", png, "`logo.jpg` is no JPEG file"),
            ("logo.gif", b"<svg/>", "`logo.gif` is no GIF file"),
            ("logo.svg", b"<svg/>", "`logo.svg` is no image that mail programs show: use .png, .jpg, .jpeg or .gif"),
            (".png", png, "`.png` is no name of an image: use up to 100 letters, digits and -_."),
            ("a\r\nb.png", png, "`a\r\nb.png` is no name of an image: use up to 100 letters, digits and -_."),
            ("large.png", &large, "`large.png` has 524300 bytes, more than 524288"),
        ] {
            assert_eq!(image_fault(name, bytes).as_deref(), Some(expected));
        }
    }
}
