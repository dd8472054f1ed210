//! Postfix, Exim and Dovecot's submission service, each set up as operators have them: TLS first, then a sign-in.

use std::net::{Ipv4Addr, TcpStream};

use crate::authority::{Authority, Leaf};
use crate::premises::{DOMAIN, Premises, Program, on_ports, wait_until};

/// The user who may send, and the password.
pub const USER: &str = "robot";
pub const PASSWORD: &str = "correct horse";

/// The Maildir in which Postfix and Exim lay what they take.
pub const INBOX: &str = "var/mail/inbox";

/// The recipient whom nobody knows.
pub const GONE: &str = "gone@customer.example";

/// The largest message the servers take.
pub const SIZE_MAX: usize = 20_000;

/// A server that runs, on a port of 127.0.0.1.
pub struct Server {
    // First, so that it has ended before its folder vanishes.
    programs: Vec<Program>,
    pub premises: Premises,
    pub port: u16,
    /// The ports that show another certificate, or the same one, and which; Postfix and Exim have one for each of [`Leaf::ALL`].
    pub leaf_ports: Vec<(Leaf, u16)>,
}

const LEAVES: usize = Leaf::ALL.len();

fn write_certificates(premises: &Premises, authority: &Authority) {
    for leaf in Leaf::ALL {
        let files = authority.server(leaf);
        premises.write(&format!("etc/tls/{leaf:?}.pem"), &files.chain_pem);
        premises.write(&format!("etc/tls/{leaf:?}.key"), &files.key_pem);
        // Postfix wants the key first.
        premises.write(&format!("etc/tls/{leaf:?}.both"), &format!("{}{}", files.key_pem, files.chain_pem));
    }
}

/// What every Dovecot here has in common; it knows [`USER`] and shows the certificate that is asked for.
fn dovecot_settings(premises: &Premises, leaf: Leaf) -> String {
    premises.write("etc/dovecot/users", &format!("{USER}:{{PLAIN}}{PASSWORD}\n"));
    let id = premises.user_id("vmail");
    format!(
        "base_dir = /run/dovecot\nlog_path = /dev/stderr\nlisten = 127.0.0.1\nhostname = localhost\nssl = required\n\
         ssl_cert = </etc/tls/{leaf:?}.pem\nssl_key = </etc/tls/{leaf:?}.key\nauth_mechanisms = plain login\n\
         auth_failure_delay = 0\nmail_location = maildir:/var/mail/%u\nfirst_valid_uid = 1\n\
         passdb {{\n  driver = passwd-file\n  args = /etc/dovecot/users\n}}\n\
         userdb {{\n  driver = static\n  args = uid={id} gid={id} home=/var/mail/%u\n}}\n"
    )
}

/// What a Postfix has besides.
#[derive(Clone, Copy, Default)]
pub struct PostfixExtra {
    /// Further lines of main.cf.
    pub main: &'static str,
}

/// Starts Postfix, with Dovecot asking for the password.
pub fn postfix(authority: &Authority, extra: PostfixExtra) -> Server {
    let premises = Premises::new();
    write_certificates(&premises, authority);
    let spool = "var/spool/postfix";
    for folder in ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"] {
        premises.own(&format!("{spool}/{folder}"), "postfix", 0o700);
    }
    premises.own(&format!("{spool}/public"), "postfix", 0o755);
    premises.own(&format!("{spool}/maildrop"), "postfix", 0o730);
    premises.own(&format!("{spool}/pid"), "root", 0o755);
    premises.own("var/lib/postfix", "postfix", 0o755);
    let socket = format!("{spool}/private/auth");
    let settings = dovecot_settings(&premises, Leaf::Good);
    let dovecot = format!("{settings}protocols =\nservice auth {{\n  unix_listener /{socket} {{\n    mode = 0666\n  }}\n}}\n");
    premises.write("etc/dovecot/dovecot.conf", &dovecot);
    let signing_in = premises.start("/usr/sbin/dovecot", &["-F", "-c", "/etc/dovecot/dovecot.conf"]);
    wait_until("Dovecot's socket", || premises.path(&socket).exists());
    let id = premises.user_id("vmail");
    let main = format!(
        "compatibility_level = 3.6\nmaillog_file = /var/log/mail.log\nqueue_directory = /{spool}\ndata_directory = /var/lib/postfix\n\
         daemon_directory = /usr/lib/postfix/sbin\ncommand_directory = /usr/sbin\nmail_owner = postfix\nsetgid_group = postdrop\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = localhost\nmydestination =\nmynetworks =\n\
         alias_maps =\nalias_database =\nlocal_recipient_maps =\n\
         virtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_base = /var/mail\nvirtual_mailbox_maps = static:inbox/\n\
         virtual_uid_maps = static:{id}\nvirtual_gid_maps = static:{id}\nvirtual_minimum_uid = 1\n\
         smtpd_tls_security_level = encrypt\nsmtpd_tls_chain_files = /etc/tls/Good.both\n\
         smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n\
         smtpd_relay_restrictions =\nmessage_size_limit = {SIZE_MAX}\nsmtpd_error_sleep_time = 0\n\
         smtpd_recipient_restrictions = check_recipient_access inline:{{{{{GONE} = 550 5.1.1 No such user}}}}, \
         permit_sasl_authenticated, reject\n{}\n",
        extra.main
    );
    premises.write("etc/postfix/main.cf", &main);
    let (running, ports) = on_ports::<{ 1 + LEAVES }>(|ports| {
        let mut services = format!("127.0.0.1:{} inet n - n - - smtpd\n", ports[0]);
        for (leaf, port) in Leaf::ALL.iter().zip(&ports[1..]) {
            services += &format!("127.0.0.1:{port} inet n - n - - smtpd -o smtpd_tls_chain_files=/etc/tls/{leaf:?}.both\n");
        }
        services += "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
                     rewrite unix - - n - - trivial-rewrite\nbounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\n\
                     trace unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\nerror unix - - n - - error\n\
                     retry unix - - n - - error\nvirtual unix - n n - - virtual\nanvil unix - - n - 1 anvil\n\
                     postlog unix-dgram n - n - 1 postlogd\n";
        premises.write("etc/postfix/master.cf", &services);
        premises.start("/usr/lib/postfix/sbin/master", &["-c", "/etc/postfix", "-s"])
    });
    let leaf_ports = Leaf::ALL.into_iter().zip(ports[1..].iter().copied()).collect();
    Server { programs: vec![running, signing_in], premises, port: ports[0], leaf_ports }
}

/// Starts Exim; `main` are further lines of its first section.
pub fn exim(authority: &Authority, main: &str) -> Server {
    let premises = Premises::new();
    write_certificates(&premises, authority);
    premises.own("var/spool/exim4", "Debian-exim", 0o755);
    premises.own("var/log/exim4", "Debian-exim", 0o755);
    for leaf in Leaf::ALL {
        premises.own(&format!("etc/tls/{leaf:?}.key"), "Debian-exim", 0o600);
    }
    let (running, ports) = on_ports::<{ 1 + LEAVES }>(|ports| {
        let list: Vec<String> = ports.iter().map(u16::to_string).collect();
        let leaf = Leaf::ALL.iter().zip(&ports[1..]).fold("Good".to_owned(), |otherwise, (leaf, port)| {
            format!("${{if eq{{$received_port}}{{{port}}}{{{leaf:?}}}{{{otherwise}}}}}")
        });
        let text = format!(
            "exim_path = /usr/sbin/exim4\nprimary_hostname = localhost\nspool_directory = /var/spool/exim4\n\
             log_file_path = /var/log/exim4/%slog\npid_file_path = /run/exim.pid\nlocal_interfaces = 127.0.0.1\n\
             daemon_smtp_ports = {}\ntls_advertise_hosts = *\ntls_certificate = /etc/tls/{leaf}.pem\n\
             tls_privatekey = /etc/tls/{leaf}.key\nauth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}\n\
             message_size_limit = {SIZE_MAX}\nacl_smtp_rcpt = rcpt\nhost_lookup =\nrfc1413_hosts =\nkeep_environment =\n\
             never_users = root\ntrusted_users = Debian-exim\n{main}\n\
             begin acl\nrcpt:\n  deny message = No such user\n       recipients = {GONE}\n\
             \u{20} accept domains = {DOMAIN}\n       authenticated = *\n  deny message = relay not permitted\n\
             begin routers\nlocal:\n  driver = accept\n  domains = {DOMAIN}\n  transport = maildir\n\
             begin transports\nmaildir:\n  driver = appendfile\n  maildir_format\n  directory = /{INBOX}\n  create_directory\n\
             \u{20} user = vmail\n  group = vmail\n\
             begin authenticators\nplain:\n  driver = plaintext\n  public_name = PLAIN\n  server_prompts = :\n\
             \u{20} server_condition = ${{if and {{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}\n\
             \u{20} server_set_id = $auth2\n",
            list.join(" : ")
        );
        premises.write("etc/exim4/exim4.conf", &text);
        premises.start("/usr/sbin/exim4", &["-bdf"])
    });
    let leaf_ports = Leaf::ALL.into_iter().zip(ports[1..].iter().copied()).collect();
    Server { programs: vec![running], premises, port: ports[0], leaf_ports }
}

/// Starts Dovecot's submission service; it hands all mail to the server at `sink`, and shows this one certificate.
pub fn dovecot(authority: &Authority, sink: u16, leaf: Leaf) -> Server {
    let premises = Premises::new();
    write_certificates(&premises, authority);
    let settings = dovecot_settings(&premises, leaf);
    let (running, [port]) = on_ports(|[port]| {
        let text = format!(
            "{settings}protocols = submission\nsubmission_relay_host = 127.0.0.1\nsubmission_relay_port = {sink}\n\
             submission_relay_ssl = no\nsubmission_max_mail_size = {SIZE_MAX}\n\
             service submission-login {{\n  inet_listener submission {{\n    port = {port}\n  }}\n}}\n"
        );
        premises.write("etc/dovecot/dovecot.conf", &text);
        premises.start("/usr/sbin/dovecot", &["-F", "-c", "/etc/dovecot/dovecot.conf"])
    });
    Server { programs: vec![running], premises, port, leaf_ports: vec![(leaf, port)] }
}

impl Server {
    /// Ends the mail server, and starts it anew on the same port, with what it has queued.
    pub fn restart_postfix(&mut self) {
        drop(self.programs.remove(0));
        // Its own programs outlive it by a moment, with its port and its lock; a new one that meets them ends at once.
        let is_open = |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        wait_until("the end of the old server", || !is_open(self.port));
        let start = || self.premises.start("/usr/lib/postfix/sbin/master", &["-c", "/etc/postfix", "-s"]);
        let mut running = start();
        wait_until("the new server", || {
            if running.has_ended() {
                running = start();
            }
            is_open(self.port)
        });
        self.programs.insert(0, running);
    }
}
