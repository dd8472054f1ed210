//! The page the demo leaves behind: every mail to look at, without a mail program.

/// Marks a page as ours, so that a later demo may write over it.
pub(crate) const MARK: &str = "<!-- written by dunlin demo -->";

/// One mail on the page.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The file with its exact bytes, beside the page.
    pub(crate) eml: String,
    /// The file with its HTML part, beside the page, where it has one.
    pub(crate) html: Option<String>,
    /// Whom it went to.
    pub(crate) to: String,
    /// The customer's name.
    pub(crate) customer: String,
    /// The level's id.
    pub(crate) level: String,
    /// The subject.
    pub(crate) subject: String,
    /// Its text part.
    pub(crate) text: String,
}

/// Returns the page.
pub(crate) fn page(title: &str, pictures: &[Picture]) -> String {
    let mut page = format!(
        "<!doctype html>\n{MARK}\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style></head><body>\n\
         <h1>{title}</h1>\n<p>Each mail as the server took it. Click one to open it; the .eml file opens in any mail program.</p>\n<main>\n",
        title = escaped(title)
    );
    for picture in pictures {
        let shown = match &picture.html {
            Some(html) => format!(
                "<iframe src=\"{0}\" title=\"{1}\" loading=\"lazy\" sandbox></iframe>",
                escaped(html),
                escaped(&picture.subject)
            ),
            None => format!("<pre>{}</pre>", escaped(&picture.text)),
        };
        let open = picture.html.as_deref().unwrap_or(&picture.eml);
        page.push_str(&format!(
            "<article><header><b>{subject}</b><br>{customer} &lt;{to}&gt;<br><i>{level}</i> · <a href=\"{open}\">open</a> · \
             <a href=\"{eml}\">.eml</a></header>{shown}</article>\n",
            subject = escaped(&picture.subject),
            customer = escaped(&picture.customer),
            to = escaped(&picture.to),
            level = escaped(&picture.level),
            open = escaped(open),
            eml = escaped(&picture.eml),
        ));
    }
    page.push_str("</main></body></html>\n");
    page
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;background:#f3f4f6;color:#111}\
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,640px),1fr));gap:1.25rem}\
article{background:#fff;border:1px solid #d1d5db;border-radius:6px;overflow:hidden}\
header{padding:.75rem 1rem;border-bottom:1px solid #e5e7eb}iframe{width:100%;height:520px;border:0}pre{padding:1rem;white-space:pre-wrap}";

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_mail_says_becomes_markup() {
        let evil = "\"><script>alert(1)</script>".to_owned();
        let picture = Picture {
            eml: "1.eml".into(),
            html: None,
            to: evil.clone(),
            customer: evil.clone(),
            level: evil.clone(),
            subject: evil.clone(),
            text: evil,
        };
        let page = page("Demo", &[picture]);
        assert!(page.contains(MARK) && page.contains("1.eml"));
        assert!(!page.contains("<script>"), "{page}");
    }
}
