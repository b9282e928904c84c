"""A DNS answer to a DNS question, over a zone. Pure."""

from __future__ import annotations

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.kube.cluster.dns.zone import Zone

TTL_SECONDS = 5
MOST_ALIASES = 8
UDP_BYTES = 512


def answer(wire: bytes, zone: Zone, *, datagram: bool) -> bytes | None:
    """The answer's bytes; truncated (TC) where a datagram cannot hold it. None for what is no question at all."""
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if query.flags & dns.flags.QR:
        return None
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.AA
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
    else:
        _fill(response, zone)
    return _bytes(response, max(query.payload, UDP_BYTES) if datagram else 65535)


def _fill(response: dns.message.Message, zone: Zone) -> None:
    name, kind = response.question[0].name, response.question[0].rdtype
    for _ in range(MOST_ALIASES):
        records = zone.find(name.to_text(omit_final_dot=True).lower())
        if records is None:
            # Also the outside world's names: there is none.
            if not response.answer:
                response.set_rcode(dns.rcode.NXDOMAIN)
            break
        _add(response, name, records, kind)
        if "CNAME" not in records or kind == dns.rdatatype.CNAME:
            break
        name = dns.name.from_text(records["CNAME"][0])
    if not response.answer:
        soa = f"ns.dns.{zone.domain}. hostmaster.{zone.domain}. 1 7200 1800 86400 {TTL_SECONDS}"
        response.authority.append(dns.rrset.from_text(f"{zone.domain}.", TTL_SECONDS, "IN", "SOA", soa))


def _add(response: dns.message.Message, name: dns.name.Name, records: dict[str, list[str]], kind: int) -> None:
    for text, values in records.items():
        if kind in (dns.rdatatype.from_text(text), dns.rdatatype.ANY) or text == "CNAME":
            response.answer.append(dns.rrset.from_text_list(name, TTL_SECONDS, "IN", text, values))


def _bytes(response: dns.message.Message, limit: int) -> bytes:
    try:
        return response.to_wire(max_size=limit)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=limit)
