use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn trusting(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|network| Network::parse(network).unwrap()).collect())
}

/// The client, and how many members are known, for a list as the header has it.
fn origin(trusted: &[&str], peer: &str, list: &str) -> (String, usize) {
    let members = list.split(',').filter(|_| !list.is_empty()).map(str::as_bytes).rev();
    let Origin { client, known } = trusting(trusted).origin(ip(peer), members);
    (client.to_string(), known)
}

#[test]
fn reads_networks() {
    for text in ["10.0.0.0/8", "192.0.2.1/32", "0.0.0.0/0", "2001:db8::/32", "::/0", "::1/128"] {
        assert_eq!(Network::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(Network::parse("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
    assert_eq!(Network::parse("::1").unwrap().to_string(), "::1/128");
    for text in ["", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/+8", "::/129", "10/8", "a/8"]
    {
        assert_eq!(Network::parse(text), Err(NetworkError::Malformed), "{text}");
    }
    let meant = Network::parse("10.0.0.0/8").unwrap();
    assert_eq!(Network::parse("10.1.2.3/8"), Err(NetworkError::HostBits(meant)));
}

#[test]
fn networks_hold_their_addresses() {
    for (network, inside, outside) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
        ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
        ("0.0.0.0/0", "192.0.2.1", "::1"),
        ("::/0", "::1", "192.0.2.1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
    ] {
        let network = Network::parse(network).unwrap();
        assert!(network.contains(ip(inside)), "{network} {inside}");
        assert!(!network.contains(ip(outside)), "{network} {outside}");
    }
}

#[test]
fn nobody_unlisted_is_believed() {
    assert_eq!(origin(&[], "10.0.0.1", "192.0.2.1"), ("10.0.0.1".into(), 0));
    assert_eq!(origin(&["10.0.0.0/8"], "192.0.2.9", "10.0.0.1, 192.0.2.1"), ("192.0.2.9".into(), 0));
}

#[test]
fn the_client_is_the_last_one_that_is_no_listed_proxy() {
    let trusted = ["10.0.0.0/8", "2001:db8::/32"];
    for (peer, list, client, known) in [
        ("10.0.0.1", "", "10.0.0.1", 0),
        ("10.0.0.1", "192.0.2.1", "192.0.2.1", 1),
        ("10.0.0.1", "6.6.6.6, 192.0.2.1", "192.0.2.1", 1),
        ("10.0.0.1", "6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1", 2),
        ("10.0.0.1", "10.6.6.6, 192.0.2.1, 2001:db8::7,10.0.0.2", "192.0.2.1", 3),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", 2),
        ("10.0.0.1", "192.0.2.1, junk, 10.0.0.2", "10.0.0.2", 1),
        ("10.0.0.1", "192.0.2.1, unknown", "10.0.0.1", 0),
        ("10.0.0.1", "192.0.2.1,", "10.0.0.1", 0),
        ("10.0.0.1", "192.0.2.1:4711", "192.0.2.1", 1),
        ("10.0.0.1", "[2001:db9::1]:4711", "2001:db9::1", 1),
        ("10.0.0.1", "[2001:db9::1]", "2001:db9::1", 1),
        ("10.0.0.1", "[192.0.2.1]", "10.0.0.1", 0),
        ("::ffff:10.0.0.1", "::ffff:192.0.2.1", "192.0.2.1", 1),
    ] {
        assert_eq!(origin(&trusted, peer, list), (client.into(), known), "{peer} {list}");
    }
}

proptest! {
    #[test]
    fn a_network_is_those_who_share_its_beginning(a in any::<u32>(), b in any::<u32>(), len in 0_u8..=32) {
        let network = Network { address: masked(Ipv4Addr::from_bits(a).into(), len), prefix_len: len };
        let shared = (a ^ b).leading_zeros();
        prop_assert_eq!(network.contains(Ipv4Addr::from_bits(b).into()), shared >= u32::from(len));
        prop_assert_eq!(Network::parse(&network.to_string()), Ok(network));
    }

    /// Whatever a client writes into the header before it reaches the first listed proxy changes nothing.
    #[test]
    fn a_client_cannot_say_who_it_is(
        claims in prop::collection::vec("[ -~]{0,20}", 0..6),
        client in any::<u32>(),
        proxies in prop::collection::vec(0_u32..1 << 24, 0..4),
    ) {
        let client = Ipv4Addr::from_bits(client);
        prop_assume!(client.octets()[0] != 10);
        let proxy = |low: &u32| Ipv4Addr::from_bits(10 << 24 | low).to_string();
        let peer = ip("10.9.9.9");
        let mut members: Vec<String> = claims.join(",").split(',').map(Into::into).collect();
        members.push(client.to_string());
        members.extend(proxies.iter().map(proxy));
        let found = trusting(&["10.0.0.0/8"]).origin(peer, members.iter().rev().map(String::as_bytes));
        prop_assert_eq!(found, Origin { client: client.into(), known: 1 + proxies.len() });
    }
}

#[test]
fn an_empty_list_trusts_nobody() {
    assert!(TrustedProxies::default().is_empty());
    assert!(!TrustedProxies::new(vec![Network::parse("::1").unwrap()]).is_empty());
}
