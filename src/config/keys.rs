//! The one table of config.yaml's keys. The reference page and the schema are made from it, and a test holds the reader to it.

use std::fmt::Write;

use serde_json::Value;

use crate::config::calendar::keys::CALENDAR;
use crate::config::server::preset_words;
use crate::schema::{Need, Row, file_schema};
use crate::source::field::Kind;

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The path: `smtp.<id>.host`, where `<id>` stands for a name of the writer's own.
    pub path: &'static str,
    /// What to write.
    pub form: &'static str,
    /// What holds without it; `required` where it must be there.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

pub(crate) const fn key(path: &'static str, form: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { path, form, default, meaning }
}

/// All keys, each after the one it stands under.
pub const KEYS: &[Key] = &[
    key(
        "instance",
        "a name",
        "`default`",
        "The name of this installation. It is written into the database at the first start, so that a copied database cannot mail customers",
    ),
    key(
        "mode",
        "`live`, `redirect` or `dry`",
        "`live`",
        "`live`: mails go to the customers. `redirect`: all go to `redirect_to`. `dry`: they are composed and recorded, no server is spoken to",
    ),
    key(
        "redirect_to",
        "an address",
        "none",
        "Who gets every mail in the mode `redirect`, and in any mode while the database is not at home and not adopted",
    ),
    key(
        "redirect_allow",
        "an address or `\"*@example.com\"`, or a list",
        "nobody",
        "Who gets their mails themselves in the mode `redirect`; everybody else's go to `redirect_to`, with whom they are for in the subject",
    ),
    key(
        "time_zone",
        "a place: `Europe/Berlin`, or `UTC`",
        "`UTC`",
        "By whose clock a day begins and rules run that name no zone of their own",
    ),
    key(
        "database",
        "a path",
        "`dunlin.db`",
        "The database's file, relative to the workspace unless it starts with `/`; never on a network drive",
    ),
    key("smtp", "servers by a name of yours", "required", "The SMTP servers mails can go through"),
    key("smtp.<id>", "keys", "", "One server; senders name it by this name"),
    key(
        "smtp.<id>.preset",
        "PRESETS",
        "none",
        "A provider whose host, port, security, published limits and token server to use; keys beside it win. `amazon-ses` leaves `host` to you (it names the region) and sends 1/s until you write your account's own rate",
    ),
    key("smtp.<id>.host", "a name or an IP address", "the preset's", "Where the server is"),
    key("smtp.<id>.port", "1 to 65535", "465, 587 or 25 by `security`", "The server's port"),
    key(
        "smtp.<id>.security",
        "`implicit`, `starttls`, `opportunistic` or `none`",
        "the preset's",
        "`implicit`: TLS from the first byte (port 465). `starttls`: TLS is asked for, and nothing is sent without it (587). `opportunistic`: TLS where offered. `none`: no TLS, for a server on this machine. It is never guessed from the port",
    ),
    key("smtp.<id>.auth", "keys", "none", "The account on the server; only with `implicit` or `starttls`; see sign-in.md"),
    key("smtp.<id>.auth.user", "a text", "required", "The account's name; with `oauth2` the mailbox's address"),
    key(
        "smtp.<id>.auth.mechanism",
        "`plain`, `login`, `cram-md5`, `xoauth2` or `oauthbearer`",
        "the best that the server offers, `cram-md5` never",
        "The only way to sign in",
    ),
    key(
        "smtp.<id>.auth.password",
        "`\"${env:NAME}\"`, `\"${file:/path}\"`, `\"${credential:name}\"` or the password",
        "none",
        "The account's password, best in an environment variable, a file of its own or a credential of systemd. The password itself only in a config.yaml that nobody but its owner can read",
    ),
    key(
        "smtp.<id>.auth.oauth2",
        "keys",
        "none",
        "Where access tokens come from, instead of a password (OAuth 2): a program with its secret or certificate, a person's refresh token, or Google's service account",
    ),
    key(
        "smtp.<id>.auth.oauth2.tenant",
        "a text",
        "none",
        "The tenant of Microsoft's Entra, by id or domain; names token server and scope of Exchange Online",
    ),
    key(
        "smtp.<id>.auth.oauth2.token_url",
        "an address of the web",
        "Microsoft's by `tenant`; Google's with `google-workspace`",
        "Where tokens are given out; `https`, or this machine. Certificates of `ca_file` are trusted here too",
    ),
    key(
        "smtp.<id>.auth.oauth2.client_id",
        "a text",
        "required but with `service_account`",
        "The program's id at the token server",
    ),
    key("smtp.<id>.auth.oauth2.client_secret", "like `password`", "none", "The program's secret"),
    key("smtp.<id>.auth.oauth2.certificate", "a file", "none", "The program's certificate (PEM), instead of a secret"),
    key(
        "smtp.<id>.auth.oauth2.private_key",
        "`\"${file:/path}\"`, `\"${env:NAME}\"` or `\"${credential:name}\"`",
        "none",
        "The certificate's key (PEM, RSA), without a passphrase",
    ),
    key(
        "smtp.<id>.auth.oauth2.refresh_token",
        "like `password`",
        "none",
        "What stands for a person's agreement; best in a file that the program may write, since the token server may replace it",
    ),
    key(
        "smtp.<id>.auth.oauth2.service_account",
        "`\"${file:/path}\"`, `\"${env:NAME}\"` or `\"${credential:name}\"`",
        "none",
        "The JSON key file of a Google service account with domain-wide delegation; nothing else is needed",
    ),
    key(
        "smtp.<id>.auth.oauth2.scope",
        "a text",
        "Exchange Online's or Gmail's",
        "What a token shall be good for, as the token server calls it",
    ),
    key(
        "smtp.<id>.rate",
        "`60/min`, or a list; also `/s`, `/h`, `/day`",
        "the preset's, or no limit",
        "The most messages in any such stretch of time; several limits hold together",
    ),
    key("smtp.<id>.connections", "1 to 100", "3", "The most connections at once"),
    key(
        "smtp.<id>.ca_file",
        "a file",
        "none",
        "Certificates (PEM) to trust besides the system's. Checking cannot be switched off",
    ),
    key("smtp.<id>.allow_plaintext", "`true` or `false`", "`false`", "Whether `security: none` may go to another machine"),
    key(
        "smtp.<id>.pipelining",
        "`true` or `false`",
        "`true`",
        "Whether commands travel in groups where the server says that it takes them, so that a mail costs one round trip",
    ),
    key(
        "smtp.<id>.size",
        "`35 MB`",
        "`35 MB`",
        "The largest mail that the server takes, at most 150 MB, as it is sent: files grow by a third on the way. A mail with attachments that is larger than any server of its sender takes is blocked when it is composed. What the server itself says (SIZE) holds besides",
    ),
    key("smtp.<id>.reuse", "keys", "none", "How long a connection is kept for further mails"),
    key("smtp.<id>.reuse.messages", "1 to 1000000", "100", "The most mails over one connection"),
    key("smtp.<id>.reuse.age", "`10 min`", "`10 min`", "The most time since it was opened"),
    key("smtp.<id>.reuse.idle", "`30 s`", "`30 s`", "How long it is kept without a mail; less than the server itself waits"),
    key(
        "smtp.<id>.replaces",
        "`Date` and `Message-ID`, or one",
        "the preset's, or none",
        "The headers that this server replaces with its own; a DKIM signature leaves them out, since it would break",
    ),
    key("smtp.<id>.hello_name", "a host's name", "the connection's own address", "The name to greet the server with"),
    key("senders", "senders by a name of yours", "required", "Who mails come from; rules name one with `from`"),
    key("senders.<id>", "keys", "", "One sender"),
    key("senders.<id>.name", "a text", "empty", "The name customers see"),
    key("senders.<id>.address", "an address", "required", "The address customers see"),
    key("senders.<id>.reply_to", "an address", "`address`", "Where answers go"),
    key(
        "senders.<id>.return_path",
        "an address",
        "`address`",
        "The mailbox that bounces go to. Each mail has an address of its own there, so that a bounce names its mail: `bounces+<key>@example.com` for `bounces@example.com`. Its server must take such addresses",
    ),
    key(
        "senders.<id>.return_path_delimiter",
        "`plus`, `minus`, `equals` or `none`",
        "`plus`",
        "What stands between that mailbox's name and the message key. `none`: no key is added, for a server that takes no further addresses of a mailbox",
    ),
    key(
        "senders.<id>.list_help",
        "`mailto:` and an address, or `https://` and a page",
        "none",
        "Where help is for whoever does not know why they get these mails; mail programs show it (`List-Help`)",
    ),
    key(
        "senders.<id>.headers",
        "`{ X-Name: text }`",
        "none",
        "Further headers of its mails, each a fixed text. A rule's of the same name win; those that make a mail what it is (From, Date, Message-ID, Content-Type …) cannot be set",
    ),
    key(
        "senders.<id>.dkim",
        "`{ domain, selector, key }`, or a list",
        "no signature",
        "The keys that its mails are signed with as they are sent (DKIM): the `domain` that answers for them, the `selector` the key is published under, and the private `key` in PEM form, RSA from 2048 bits or Ed25519, as `\"${file:/path}\"` or `\"${env:NAME}\"`. A list of both kinds makes two signatures. `dunlin dkim` prints the records to publish. Leave it out where your mail server signs",
    ),
    key("senders.<id>.server", "a server, or a list", "the only server", "The servers to send through, the first that works"),
    key(
        "senders.<id>.rate",
        "`60/min`, or a list; also `/s`, `/h`, `/day`",
        "no limit",
        "The most messages of this sender in any such stretch of time, through whatever server; beside the servers' own rates",
    ),
    key(
        "recipient_keys",
        "names by a key of yours",
        "required",
        "The roles an address can have at a customer; rules name them with `to`, `cc`, `bcc`",
    ),
    key("recipient_keys.<key>", "a text", "", "What people call the role"),
    key(
        "documents",
        "documents by a name of yours",
        "none",
        "The papers that rules attach with `{ document: name }`; see attachments.md",
    ),
    key("documents.<id>", "keys", "", "One kind of paper, with `path` or `url`"),
    key(
        "documents.<id>.path",
        "a path with gaps: `documents/{number}.pdf`",
        "none",
        "Where its files are, relative to the workspace unless it starts with `/`. The folder before the first gap is never left. Gaps: `{number}`, `{kind}`, `{issued_on}`, `{year}`, `{month}`, `{currency}`, `{attributes.Column}` of the document, `{customer.id}`, `{customer.language}`, `{customer.attributes.Column}`",
    ),
    key(
        "documents.<id>.url",
        "an address with gaps: `https://dms.example.com/{number}`",
        "none",
        "Where it is fetched from; `https`, or this machine. What fills a gap is percent-encoded",
    ),
    key(
        "documents.<id>.of",
        "`items`, `invoices` or `mail`",
        "`items`",
        "Of what a mail has one: of each of its items (invoices and credit notes), of its invoices alone, or one of the mail as a whole",
    ),
    key(
        "documents.<id>.bytes_max",
        "`10 MB`, at most 100 MB",
        "`10 MB`",
        "The most bytes of one file; a larger one blocks its mail",
    ),
    key(
        "documents.<id>.secret",
        "`\"${file:/path}\"`, `\"${env:NAME}\"` or `\"${credential:name}\"`",
        "none",
        "Of a `url`: what is shown to its server, and to no other that it leads to",
    ),
    key(
        "documents.<id>.secret_header",
        "a name of a header",
        "`Authorization`, as a bearer's",
        "The header that the secret is shown in as it is, such as `X-Api-Key`",
    ),
    key("documents.<id>.ca_file", "a file", "none", "Of a `url`: certificates (PEM) to trust besides the system's"),
    key(
        "documents.<id>.timeout",
        "`30 s`",
        "`30 s`",
        "Of a `url`: how long it may take, at most 300 s, with up to 3 redirects and a second try where it failed in passing",
    ),
    key("ledger", "keys", "required", "Where the receivables are"),
    key(
        "ledger.currency",
        "three letters: `EUR`",
        "required",
        "The currency of rows that name none. There is no default: a figure in the wrong currency is a wrong reminder",
    ),
    key(
        "ledger.max_age",
        "`24 h`",
        "none",
        "How old the data may be: how long ago the file of the ledger that has lain longest was last written to. With older data no run starts and nothing queued is sent",
    ),
    key(
        "ledger.recheck_after",
        "`1 h`",
        "`1 h`",
        "How long a reading of the ledger holds: before a mail goes that was planned on an older one, or on another day, it is planned again, and withdrawn if it is no longer due. Whenever the files change, that is done at the next minute anyway",
    ),
    key("ledger.customers", "a file", "made from the invoices", "Who owes"),
    key("ledger.invoices", "a file", "required", "What is owed"),
    key("ledger.credit_notes", "a file", "none", "What was credited"),
    key("ledger.payments", "a file", "none", "What was paid"),
    key("ledger.<file>.csv", "a path", "required", "The file, relative to the workspace unless it starts with `/`"),
    key(
        "ledger.<file>.dates",
        "a pattern: `\"%d.%m.%Y\"`, or `relative`",
        "`\"%Y-%m-%d\"`",
        "How dates are written: `%d` day, `%m` month, `%Y` year in four digits (`%y` in two). `relative`: days from today, for samples",
    ),
    key("ledger.<file>.decimal", "`point` or `comma`", "`point`", "What stands before the cents"),
    key("ledger.<file>.thousands", "`comma`, `point`, `space` or `apostrophe`", "none", "What stands between the thousands"),
    key(
        "ledger.<file>.delimiter",
        "`comma`, `semicolon`, `tab` or `bar`",
        "told from the first line",
        "What stands between two cells",
    ),
    key(
        "ledger.<file>.encoding",
        "`utf-8` or `windows-1252`",
        "`utf-8`",
        "How letters are written; a file saved as \"ANSI\" is usually `windows-1252`",
    ),
    key(
        "ledger.<file>.columns",
        "headings by field",
        "each field's own name",
        "Which column holds what. Columns that are not named here can be used in rules and templates as attributes",
    ),
    key("ledger.customers.columns.id", "a heading", "`id`", "The customer's number"),
    key("ledger.customers.columns.name", "a heading", "`name`", "The name to address"),
    key("ledger.customers.columns.language", "a heading", "`language`", "The language to write in: `en`, `de`"),
    key("ledger.customers.columns.tags", "a heading", "`tags`", "Labels, with `;` between them: `vip;net30`"),
    key("ledger.customers.columns.parent", "a heading", "`parent`", "The id of the customer that this one is a branch of"),
    key("ledger.customers.columns.hold_until", "a heading", "`hold_until`", "No reminder up to and including this day"),
    key(
        "ledger.customers.columns.contacts",
        "headings by recipient key",
        "none",
        "Which column holds the addresses of which role",
    ),
    key(
        "ledger.customers.columns.contacts.<key>",
        "a heading",
        "none",
        "The column with the addresses of this role; several with `;` between them",
    ),
    key("ledger.invoices.columns.number", "a heading", "`number`", "The invoice's number"),
    key("ledger.invoices.columns.customer", "a heading", "`customer`", "The number of the customer who owes it"),
    key("ledger.invoices.columns.issued_on", "a heading", "`issued_on`", "The day of the invoice"),
    key("ledger.invoices.columns.due_on", "a heading", "`due_on`", "The last day on which payment is in time"),
    key("ledger.invoices.columns.total", "a heading", "`total`", "The whole amount"),
    key("ledger.invoices.columns.open", "a heading", "`open`", "The rest still open, where the source knows it"),
    key("ledger.invoices.columns.currency", "a heading", "`currency`", "The currency of the amounts"),
    key("ledger.invoices.columns.settled_on", "a heading", "`settled_on`", "The day on which nothing was open any more"),
    key("ledger.invoices.columns.disputed", "a heading", "`disputed`", "Whether the customer disputes it: yes or no"),
    key(
        "ledger.invoices.columns.approved",
        "a heading",
        "`approved`",
        "Whether the books have approved it: yes or no; without it all are",
    ),
    key("ledger.invoices.columns.hold_until", "a heading", "`hold_until`", "No reminder for it up to and including this day"),
    key(
        "ledger.invoices.columns.promised_on",
        "a heading",
        "`promised_on`",
        "The day by which the customer has promised to pay; no reminder for it up to and including this day",
    ),
    key("ledger.credit_notes.columns.number", "a heading", "`number`", "The credit note's number"),
    key("ledger.credit_notes.columns.customer", "a heading", "`customer`", "The number of the customer it is for"),
    key("ledger.credit_notes.columns.issued_on", "a heading", "`issued_on`", "The day of the credit note"),
    key("ledger.credit_notes.columns.total", "a heading", "`total`", "The whole amount; its sign does not matter"),
    key("ledger.credit_notes.columns.open", "a heading", "`open`", "The rest not used up yet, where the source knows it"),
    key("ledger.credit_notes.columns.currency", "a heading", "`currency`", "The currency of the amounts"),
    key("ledger.credit_notes.columns.settled_on", "a heading", "`settled_on`", "The day on which it was used up"),
    key("ledger.credit_notes.columns.invoice", "a heading", "`invoice`", "The invoice it lowers"),
    key("ledger.payments.columns.customer", "a heading", "`customer`", "The number of the customer who paid"),
    key("ledger.payments.columns.invoice", "a heading", "`invoice`", "The invoice it settles; empty: not applied yet"),
    key("ledger.payments.columns.amount", "a heading", "`amount`", "How much"),
    key("ledger.payments.columns.currency", "a heading", "`currency`", "The currency of the amount"),
    key("ledger.payments.columns.received_on", "a heading", "`received_on`", "The day it counts from"),
    key("ledger.payments.columns.reference", "a heading", "`reference`", "The source's own number for it"),
    key("ledger.payments.columns.method", "a heading", "`method`", "How it was paid: by transfer, card, direct debit"),
    key("company", "keys", "none", "Who is owed: what mails and papers say of your company; templates have it as `company`"),
    key("company.name", "a text", "required", "The full name, with its legal form"),
    key("company.street", "a text", "empty", "Street and number"),
    key("company.city", "a text", "empty", "The town"),
    key("company.state", "a text", "empty", "The state, province or canton"),
    key("company.postal_code", "a text", "empty", "The postal or ZIP code"),
    key("company.country", "a text", "empty", "The country, as letters show it"),
    key(
        "company.country_code",
        "two capital letters: `DE`",
        "empty",
        "The country for machines (ISO 3166-1); a Swiss QR code needs it, with `postal_code` and `city`",
    ),
    key("company.email", "an address", "empty", "Where customers write to"),
    key("company.phone", "a text", "empty", "The telephone number"),
    key("company.website", "a page: `https://www.example.com`", "empty", "The home page"),
    key("company.logon_url", "a page: `https://www.example.com`", "empty", "Where customers sign in to their account"),
    key("company.tax_number", "a text", "empty", "The number at the tax office"),
    key("company.vat_id", "a text", "empty", "The number for value added tax"),
    key("company.registration", "a text", "empty", "Where the company is registered, and under which number"),
    key("company.management", "a text", "empty", "Who manages it, as the law of some countries asks letters to say"),
    key(
        "company.pay_url",
        "a page at `https://` with placeholders",
        "none",
        "Where customers pay on the web: `payment_link` in templates. The placeholders are `{customer_id}`, `{amount}`, `{currency}`, `{invoice_numbers}` (all, with a comma between them) and `{invoice_number}`; with this last one there is a link for one invoice alone. Values are percent-encoded, and none can stand in the host's name",
    ),
    key(
        "company.payment_reference",
        "a heading",
        "none",
        "The column of the invoices that holds the reference printed on them; it stands in the payment code of a mail about one invoice: a creditor reference (`RF18…`), a Swiss QR reference (27 digits), or any other text. The column must not be one of `ledger.invoices.columns`",
    ),
    key(
        "company.bank_accounts",
        "accounts by currency",
        "none",
        "Where customers pay by bank transfer: the account for the currency of the mail is told, and stands in its payment code",
    ),
    key("company.bank_accounts.<currency>", "keys", "", "The account for payments in this currency"),
    key(
        "company.bank_accounts.<currency>.holder",
        "a text",
        "`name` of the company",
        "Whose account it is, in 70 characters at most",
    ),
    key("company.bank_accounts.<currency>.bank", "a text", "empty", "The bank's name"),
    key(
        "company.bank_accounts.<currency>.iban",
        "an IBAN",
        "none",
        "The account's number; its check digits are checked. Needed but with `account_number`",
    ),
    key(
        "company.bank_accounts.<currency>.qr_iban",
        "an IBAN",
        "none",
        "The Swiss number for payments with a QR reference (QR-IBAN)",
    ),
    key("company.bank_accounts.<currency>.bic", "8 or 11 letters and digits", "empty", "The bank's code (BIC)"),
    key("company.bank_accounts.<currency>.account_number", "a text", "empty", "The account's number where there are no IBANs"),
    key(
        "company.bank_accounts.<currency>.routing_number",
        "a text",
        "empty",
        "The bank's number there: routing number, sort code, BSB",
    ),
    key(
        "bank",
        "keys",
        "told from each file",
        "How the files are written that `dunlin match` reads, where their headings and values do not tell it",
    ),
    key(
        "bank.dates",
        "a pattern: `\"%d.%m.%Y\"`, or `relative`",
        "told from the dates",
        "How dates are written, as in the ledger's files",
    ),
    key("bank.decimal", "`point` or `comma`", "told from the amounts", "What stands before the cents"),
    key(
        "bank.thousands",
        "`comma`, `point`, `space` or `apostrophe`",
        "told from the amounts",
        "What stands between the thousands",
    ),
    key("bank.delimiter", "`comma`, `semicolon`, `tab` or `bar`", "told from the first line", "What stands between two cells"),
    key("bank.encoding", "`utf-8` or `windows-1252`", "told from the letters", "How letters are written"),
    key("bank.columns", "headings by field", "told from the headings", "Which column holds what"),
    key("bank.columns.booked_on", "a heading", "told from the headings", "The day the bank booked it"),
    key(
        "bank.columns.amount",
        "a heading",
        "told from the headings",
        "The amount; rows with none, or a negative one, are left alone",
    ),
    key(
        "bank.columns.currency",
        "a heading",
        "told from the headings",
        "The currency of the amount; `ledger.currency` where there is none",
    ),
    key(
        "bank.columns.direction",
        "a heading",
        "told from the headings",
        "Whether money came in or went out, where the amount has no sign",
    ),
    key("bank.columns.payer", "a heading", "told from the headings", "Who paid"),
    key("bank.columns.account", "a heading", "told from the headings", "The account it came from, not your own"),
    key("bank.columns.reference", "a heading", "told from the headings", "What the payer wrote"),
    key("bank.columns.end_to_end", "a heading", "told from the headings", "The payer's own reference"),
    key(
        "bank.columns.id",
        "a heading",
        "told from the headings",
        "The bank's own reference of the line, the same in every file. Without it a line is known by all it says",
    ),
    key(
        "bank.customer_account",
        "a heading",
        "none",
        "The column of the customers' file with the account a customer pays from. Accounts are also known from what was applied before",
    ),
    key(
        "bank.booked_within",
        "`10 days`",
        "`10 days`",
        "How long your books may take to show what was applied. After that the daemon's health says so",
    ),
    key("calendar", "keys", "every day is a business day", "Which days are business days, for `on` and `shift` of rules"),
    key("calendar.weekend", "a list of `mon` to `sun`", "`[sat, sun]`", "The days of the weekend"),
    key(
        "calendar.holidays",
        "a file, or a list",
        "none",
        "The holidays: calendar files in the workspace, in our own form (.yaml: `date`, `every` or `easter` with a `name`) or exported by another program (.ics)",
    ),
    key("limits", "keys", "none", "What no rule may go beyond"),
    key(
        "limits.contact_gap",
        "`3 days`, `3 business days`",
        "`0 days`",
        "The least time between two mails to one customer, over all rules: a reminder waits for the reminder or statement before it. \
         Statements wait for nothing, and notices neither wait nor count. Business days need `calendar`",
    ),
    key(
        "limits.reminder_days",
        "`every_day`, `business_days`",
        "`every_day`",
        "On which days reminders go: with `business_days` what is due on a weekend or holiday goes on the next business day, also when \
         a person runs the rule. Needs `calendar`",
    ),
    key(
        "limits.quiet_hours",
        "`\"18:00-08:00\"`",
        "none",
        "No mail leaves in these hours, by the clock of `time_zone`; what is queued then waits for their end. The time for which a mail may be tried (`give_up_after`) goes on",
    ),
    key("limits.run_guard", "keys", "none", "When a run waits for a person instead of sending"),
    key("limits.run_guard.messages", "1 or more", "none", "A run of more messages waits"),
    key(
        "limits.run_guard.times_usual",
        "2 to 1000",
        "none",
        "A rule's messages wait where they are more than so many times what it usually has: the median of its last 20 runs that had any, once there are 5",
    ),
    key(
        "limits.run_guard.refused_percent",
        "1 to 100",
        "25",
        "A run stops, and waits for a person, once more than so many in a hundred of its mails were refused, after 20; 100: it never does",
    ),
    key(
        "ended_rules",
        "a list of ids",
        "none",
        "Rules that were ended for good. A rule that has run and is gone otherwise needs a person: its file may have been lost",
    ),
    key("alerts", "keys", "none", "Who is told when something needs a person"),
    key(
        "alerts.to",
        "an address, or a list",
        "none",
        "By mail; in the mode `redirect` it goes to `redirect_to`, in the mode `dry` none goes",
    ),
    key("alerts.from", "a sender", "the first sender", "Who these mails are from, and through which servers they go"),
    key("alerts.plugin", "a plugin", "none", "By the program of a plugin; see plugins.md"),
    key("retry", "keys", "none", "When a mail that a server put off is tried again"),
    key(
        "retry.first",
        "`5 min`",
        "`5 min`",
        "The wait before the first new attempt; each further one is three to four times as long",
    ),
    key("retry.most", "`4 h`", "`4 h`", "The longest wait"),
    key("retry.give_up_after", "`24 h`", "`24 h`", "When no more attempts are made"),
    key(
        "retention",
        "keys",
        "for ever",
        "How long what is over is kept in the database. What the guarantee rests on stays for ever",
    ),
    key(
        "retention.archive",
        "a path",
        "required",
        "The folder that what is removed is written to first, as lines of JSON, a file a month",
    ),
    key(
        "retention.decisions",
        "`400 days`",
        "for ever",
        "How long decisions are kept, firings, and runs that made no mail; 31 days at least",
    ),
    key(
        "retention.mails",
        "`800 days`",
        "for ever",
        "How long the texts of mails that are done with are kept, and the attempts to send them; 31 days at least",
    ),
    key("daemon", "keys", "none", "How `dunlin serve` shows itself"),
    key(
        "daemon.listen",
        "`127.0.0.1:9645`, `\"[::1]:9645\"` or `off`",
        "`127.0.0.1:9645`",
        "Where the health page and the metrics are; an address of this machine alone. Port 0 takes any free one. `off`: no page",
    ),
];

/// Returns docs/reference/config.md.
pub fn reference() -> String {
    let mut page = String::from(
        "# config.yaml\n\n\
         <!-- Made from the table in src/config/keys.rs; change it there. -->\n\n\
         Every key the file may have. `<id>` and `<key>` stand for names of your own, `<currency>` for three letters, `<file>` for\n\
         `customers`, `invoices`, `credit_notes` or `payments`. A key that is not listed here is an error, not silence.\n",
    );
    let presets = presets();
    let mut section = String::new();
    for key in KEYS {
        let top = key.path.split('.').next().unwrap_or_default();
        let title = if has_children(top) { format!("`{top}`") } else { "The installation".to_owned() };
        if title != section {
            line(&mut page, &format!("\n## {title}\n\n| Key | Write | Without it | Meaning |\n|---|---|---|---|"));
            section = title;
        }
        let form = form(key, &presets);
        let Key { path, default, meaning, .. } = key;
        line(&mut page, &format!("| `{path}` | {form} | {default} | {meaning}. |"));
    }
    page.push_str(CALENDAR_FILES);
    for Key { path, form, default, meaning, .. } in CALENDAR {
        line(&mut page, &format!("| `{path}` | {form} | {default} | {meaning}. |"));
    }
    page.push_str(OTHER_CALENDARS);
    page
}

const CALENDAR_FILES: &str = "
## Calendar files

```yaml
name: Ours
holidays:
  - { date: 2027-05-14, name: Bridge day }                 # this day alone
  - { every: 12-25, name: Christmas Day, from: 2020 }      # each year; `from` and `until` bound the years
  - { easter: -2, name: Good Friday }                      # days from Easter Sunday
```

`[]` stands for each member of the list; each has one of `date`, `every` and `easter`.

| Key | Write | Without it | Meaning |
|---|---|---|---|
";

const OTHER_CALENDARS: &str = "
Of an .ics file whole days are read: events with a date (`DTSTART`, `DTEND`, `SUMMARY`), alone or yearly (`RRULE:FREQ=YEARLY` with `INTERVAL`, `COUNT`, `UNTIL`),
`EXDATE`, and cancelled ones left out. Anything else that would change the days is an error with its line. A calendar has at most 5,000 holidays and never
more than 31 days without a business day. `dunlin check` warns when all dates of a file have passed.
";

/// Returns the JSON Schema of config.yaml.
pub fn schema() -> Value {
    let files = Kind::ALL.map(Kind::key);
    let presets = presets();
    let mut rows = Vec::new();
    for key in KEYS {
        let row = key.row(form(key, &presets));
        // What holds of every file of the ledger stands in the table once.
        match key.path.contains("<file>") {
            true => rows.extend(files.iter().map(|file| Row { path: key.path.replace("<file>", file), ..row.clone() })),
            false => rows.push(row),
        }
    }
    file_schema("Dunlin: config.yaml", &rows)
}

impl Key {
    /// Returns its row of a schema; `form` is what to write.
    pub(crate) fn row<'k>(&self, form: &'k str) -> Row<'k> {
        let need = if self.default == "required" { Need::Required } else { Need::Optional };
        Row { path: self.path.to_owned(), form, default: self.default, meaning: self.meaning, need }
    }
}

fn presets() -> String {
    preset_words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn form<'k>(key: &'k Key, presets: &'k str) -> &'k str {
    if key.form == "PRESETS" { presets } else { key.form }
}

fn has_children(top: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(top).is_some_and(|rest| rest.starts_with('.')))
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("writing to a String cannot fail");
}
