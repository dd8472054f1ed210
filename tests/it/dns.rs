//! A resolver for tests, on loopback: it knows the texts it was given, over UDP and TCP.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread;

use simple_dns::rdata::{RData, TXT};
use simple_dns::{CLASS, Name, Packet, PacketFlag, RCODE, ResourceRecord};

/// How the resolver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Good,
    /// Cut off over UDP, whole over TCP.
    CutOff,
    /// With SERVFAIL.
    Failing,
}

type Zone = HashMap<&'static str, Vec<&'static str>>;

/// Starts a resolver that knows these texts of these names, and that no other name is there.
pub fn resolver(manner: Manner, texts: &[(&'static str, &[&'static str])]) -> SocketAddr {
    let zone: Arc<Zone> = Arc::new(texts.iter().map(|(name, texts)| (*name, texts.to_vec())).collect());
    // The same number must be free for both.
    let (udp, tcp) = std::iter::repeat_with(|| {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = TcpListener::bind(udp.local_addr().unwrap());
        (udp, tcp)
    })
    .find_map(|(udp, tcp)| Some((udp, tcp.ok()?)))
    .unwrap();
    let address = udp.local_addr().unwrap();
    let own = zone.clone();
    thread::spawn(move || {
        let mut space = [0; 1024];
        while let Ok((length, from)) = udp.recv_from(&mut space) {
            udp.send_to(&answer(&space[..length], &own, manner, manner == Manner::CutOff), from).unwrap();
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut asked = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut asked).unwrap();
            let bytes = answer(&asked, &zone, manner, false);
            stream.write_all(&[&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()).unwrap();
        }
    });
    address
}

fn answer(asked: &[u8], zone: &Zone, manner: Manner, is_cut_off: bool) -> Vec<u8> {
    let mut packet = Packet::parse(asked).unwrap().into_reply();
    let name = packet.questions[0].qname.to_string();
    if manner == Manner::Failing {
        *packet.rcode_mut() = RCODE::ServerFailure;
    } else if is_cut_off {
        packet.set_flags(PacketFlag::TRUNCATION);
    } else if let Some(texts) = zone.get(name.as_str()) {
        for text in texts {
            let data = RData::TXT(TXT::new().with_string(text).unwrap());
            packet.answers.push(ResourceRecord::new(Name::new_unchecked(&name).into_owned(), CLASS::IN, 60, data));
        }
    } else {
        *packet.rcode_mut() = RCODE::NameError;
    }
    packet.build_bytes_vec().unwrap()
}
