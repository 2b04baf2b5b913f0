#ifndef SIM_TRANSPORT_DNS_WIRE_H
#define SIM_TRANSPORT_DNS_WIRE_H

/* DNS messages (RFC 1035, 2308, 2782, 3596): one question, answers of one type; names without trailing dot */

#include "sim/transport/app.h"

#define DNS_NAME_SIZE    256
#define DNS_UDP_MAX      512
#define DNS_MESSAGE_SIZE 1232

typedef struct {
    uint16_t id, type;
    bool response, truncated, recursion_desired;
    DnsRcode rcode;
    char name[DNS_NAME_SIZE]; /* Lower case. */
} DnsQuestion;

/* Returns the size, or 0 if 'name' is not a domain name. */
size_t dns_write_query(uint8_t *buf, uint16_t id, const char *name, uint16_t type);
/* 'max_size': the answer is cut there, with TC set. */
size_t dns_write_answer(uint8_t *buf, size_t max_size, const DnsQuestion *question, const DnsAnswer *answer);
/* Reads a message; 'ret_answer' (may be NULL) gets the addresses of the question's type. */
bool dns_read(const uint8_t *data, size_t size, DnsQuestion *ret_question, DnsAnswer *ret_answer);

#endif
