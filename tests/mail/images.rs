//! Images within mails, read back by another program.

use dunlin::template::{ImageFile, Templates};
use mail_parser::{MessageParser, MimeHeaders};

use crate::{Setting, shipped};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture, but longer than one line of base64 takes, which is 57 bytes of it";

fn templates(html: &str) -> Templates {
    let file = |name: &str, text: &str| dunlin::template::TemplateFile { path: name.into(), text: text.into() };
    let image = |name: &str, bytes: &[u8]| ImageFile { path: format!("rules/templates/{name}"), bytes: bytes.into() };
    let images = vec![image("logo.png", PNG), image("spare.gif", b"GIF89a")];
    let files = vec![file("a.subject.txt", "S"), file("a.html", html)];
    let (templates, problems) = Templates::load_with(files, images, &dunlin::message::known_names(), vec![]);
    assert_eq!(problems, []);
    templates
}

#[test]
fn an_image_is_part_of_the_html_and_comes_back_byte_for_byte() {
    let templates = templates("<p>{{ customer.name }} <img src=\"{{ image('logo.png') }}\" alt=\"ACME\" width=\"120\"></p>");
    let setting = Setting::new("C-1", "a");
    let composed = setting.compose(&templates).unwrap();
    assert_eq!(setting.compose(&templates).unwrap().bytes, composed.bytes, "the same letter gives the same bytes");
    let id = "image-1.5f2c9a1e0b7d4c3f8e6a@acme.example";

    let mail = MessageParser::new().parse(&composed.bytes).unwrap();
    let kinds: Vec<(String, String)> = mail
        .parts
        .iter()
        .map(|part| part.content_type().map(|kind| (kind.ctype().into(), kind.subtype().unwrap().into())).unwrap())
        .collect();
    let kind = |kind: &str, subtype: &str| (kind.to_owned(), subtype.to_owned());
    assert_eq!(
        kinds,
        [
            kind("multipart", "alternative"),
            kind("text", "plain"),
            kind("multipart", "related"),
            kind("text", "html"),
            kind("image", "png")
        ]
    );
    assert_eq!(mail.parts[2].content_type().unwrap().attribute("type"), Some("text/html"));
    let image = &mail.parts[4];
    assert_eq!((image.content_id(), image.attachment_name()), (Some(id), Some("logo.png")));
    assert!(image.content_disposition().unwrap().is_inline());
    assert_eq!(image.contents(), PNG);
    let html = mail.body_html(0).unwrap();
    assert!(html.contains(&format!("src=\"cid:{id}\" alt=\"ACME\"")), "{html}");
    assert_eq!(composed.text, "Harbour & Sons Ltd ACME\n", "who sees no image reads what it says");
    assert!(composed.bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 998), "a line is too long for SMTP");

    let page = composed.page().unwrap();
    assert!(page.contains("src=\"data:image/png;base64,iVBORw0KGgpub3Q") && !page.contains("cid:"), "{page}");
}

#[test]
fn a_mail_without_images_has_no_part_for_them() {
    // Nor one without an account, for which there is no payment code.
    let bytes = Setting { company: None, ..Setting::new("C-1", "first") }.compose(&shipped()).unwrap().bytes;
    assert!(!String::from_utf8_lossy(&bytes).contains("related"));
}

#[test]
fn files_and_images_of_one_mail_stand_apart() {
    let attachment = dunlin::message::Attachment {
        name: "INV-1.pdf".into(),
        content_type: "application/pdf".into(),
        contents: b"%PDF".to_vec().into(),
        customer: None,
    };
    let templates = templates("<img src=\"{{ image('logo.png') }}\" alt=\"\">x<img src=\"{{ image('spare.gif') }}\" alt=\"\">");
    let composed = Setting::new("C-1", "a").compose_with(&[dunlin::message::Annex::File(attachment)], &templates).unwrap();
    let mail = MessageParser::new().parse(&composed.bytes).unwrap();
    let kinds: Vec<&str> = mail.parts.iter().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
    assert_eq!(kinds, ["mixed", "alternative", "plain", "related", "html", "png", "gif", "pdf"]);
}
