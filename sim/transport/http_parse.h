#ifndef SIM_TRANSPORT_HTTP_PARSE_H
#define SIM_TRANSPORT_HTTP_PARSE_H

/* HTTP/1.x messages as they come in pieces (RFC 9112); Content-Length or end of connection, no chunks
 *
 * Texts that a parsed message gives point into the parser's buffer: valid until the next feed, next or clear. */

#include "sim/engine/simtime.h"
#include "sim/packet/packet.h"

#define HTTP_MAX_HEADERS   32
#define HTTP_MAX_HEAD_SIZE 16384 /* One that comes whole may be longer, up to 64 KB. */

typedef struct {
    bool response; /* Reads responses, else requests. */
    bool keep_body;
    bool head_answer; /* The request was HEAD: no body follows. */
    char *data;
    size_t len, cap;
    size_t head_size;   /* With its empty line; 0: not complete yet. */
    uint64_t body_size; /* Announced. */
    uint64_t body_seen;
    bool until_eof; /* No length: the connection's end ends the body. */
    bool keep_alive;
    int status;
    uint32_t method, path; /* Offsets into 'data', which moves as it grows. */
    uint32_t n_headers;
    struct {
        uint16_t name, value; /* Offsets: a server has a parser for each connection. */
    } headers[HTTP_MAX_HEADERS];
} HttpParser;

typedef enum { HTTP_MORE, HTTP_DONE, HTTP_BAD } HttpParse;

void http_parser_feed(HttpParser *parser, const Payload *payload);
/* 'eof': no more bytes will come. */
HttpParse http_parser_parse(HttpParser *parser, bool eof);
/* Any case; NULL if absent. */
const char *http_parser_header(const HttpParser *parser, const char *name);
const char *http_parser_body(const HttpParser *parser, size_t *ret_size);
/* Forgets the message that was done; what came after it stays. */
void http_parser_next(HttpParser *parser);
/* Forgets everything that came. */
void http_parser_reset(HttpParser *parser);
/* Drops 'n' raw bytes from the front (a PROXY header). */
void http_parser_skip(HttpParser *parser, size_t n);
void http_parser_clear(HttpParser *parser);

/* PROXY protocol, versions 1 and 2, at the front of 'data'.  HTTP_DONE: '*ret_size' bytes are the header and 'ret_src'
 * holds "ip:port", or "" for UNKNOWN and LOCAL. */
HttpParse proxy_header_parse(const char *data, size_t len, size_t *ret_size, char ret_src[static IPPORT_STR_SIZE]);

/* "Sat, 01 Jan 2000 00:00:00 GMT" at simulated time 0. */
#define HTTP_DATE_SIZE 40
char *http_date_format(SimTime at, char buf[static HTTP_DATE_SIZE]);
const char *http_reason(int status);

#endif
