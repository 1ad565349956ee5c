/* Addresses, blocks and addresses with ports: what is accepted must survive being written and read.
 */
// fuzz: common
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct err err;
    struct ip ip, ip_again;
    char ip_text[IP_TEXT_BYTES];
    if (ip_parse(text, &ip)) {
        assert(ip_parse(slice_str(ip_format(&ip, ip_text)), &ip_again));
        assert(ip_eq(&ip, &ip_again));
    }
    struct cidr cidr;
    if (cidr_parse(text, &cidr, &err)) {
        assert(cidr.prefix <= (cidr.ip.family == AF_INET ? 32 : 128));
        assert(cidr_contains(&cidr, &cidr.ip));
    }
    struct sockaddr_any addr, addr_again;
    char addr_text[ADDR_TEXT_BYTES];
    if (addr_parse(text, &addr, &err)) {
        assert(addr_parse(slice_str(addr_format(&addr, addr_text)), &addr_again, &err));
        assert(addr_eq(&addr, &addr_again));
    }
    return 0;
}
