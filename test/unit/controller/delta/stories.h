/*
 * The delta protocol as a table of stories. A story is a list of steps; a step does one thing and
 * names everything that the peer is then told, responses in their order:
 *
 *     put TYPE NAME VERSION [ACCOUNT]   the resource comes to be, or becomes another
 *     del TYPE NAME                     it goes
 *     req TYPE WORDS                    a request: +sub -unsub =NAME:VERSION (initial) ack:N nack:N
 *
 * TYPE is W, S or E. A response reads "S1 web@v1 -api": nonce 1, `web` in version v1, `api`
 * removed.
 */
#ifndef OUTRIGGER_TEST_UNIT_CONTROLLER_DELTA_STORIES_H
#define OUTRIGGER_TEST_UNIT_CONTROLLER_DELTA_STORIES_H

#define STEPS_MAX 12

struct step {
    const char *act;
    const char *told;
};

struct story {
    const char *name;
    struct step steps[STEPS_MAX];
};

static const struct story stories[] = {
    {"a known name is sent, an unknown one is removed at once, and sent when it comes to be",
     {{"put S web v1", ""},
      {"req S +web +api", "S1 web@v1 -api"},
      {"req S ack:1", ""},
      {"put S api v1", "S2 api@v1"},
      {"req S ack:2", ""},
      {"del S web", "S3 -web"},
      {"put S web v2", "S4 web@v2"}}},
    {"what is told is not told again until it changes",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"put S web v1", ""},
      {"req S ack:1", ""},
      {"put S web v2", "S2 web@v2"}}},
    {"a name subscribed again is sent again",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"req S ack:1", ""},
      {"req S +web", "S2 web@v1"},
      {"req S +none", "S3 -none"},
      {"req S +none", "S4 -none"}}},
    {"what is unsubscribed is forgotten, and subscribed anew is new",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"req S -web ack:1", ""},
      {"put S web v2", ""},
      {"req S -web -never", ""},
      {"req S +web", "S2 web@v2"},
      {"req S -web +web", "S3 web@v2"}}},
    {"what the peer holds already is not sent",
     {{"put E a v1", ""},
      {"put E b v2", ""},
      {"req E +a +b +c =a:v1 =b:v1 =c:v1 =d:v1", "E1 b@v2 -c"},
      {"put E a v2", "E2 a@v2"}}},
    {"what the peer holds is not sent for being named twice",
     {{"put E a v1", ""}, {"req E +a +a =a:v1", ""}}},
    {"initial versions count in the first request of a type only",
     {{"put E a v1", ""},
      {"put S b v1", ""},
      {"req E", ""},
      {"req E +a =a:v1", "E1 a@v1"},
      {"req S +b =b:v1", ""}}},
    {"a refusal is told once and not answered with the same again",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"req S nack:1", "; nack web (bad port)"},
      {"put S web v1", ""},
      {"req S nack:1", ""},
      {"put S web v2", "S2 web@v2"},
      {"req S ack:2", ""}}},
    {"a refused version that is asked for again is sent, and its refusal is a repeated one",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"req S nack:1", "; nack web (bad port)"},
      {"req S +web", "S2 web@v1"},
      {"req S nack:2", "; nack web (bad port) again"},
      {"put S web v2", "S3 web@v2"},
      {"req S nack:3", "; nack web (bad port)"}}},
    {"back to the version before a refused one",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"req S ack:1", ""},
      {"put S web v2", "S2 web@v2"},
      {"req S nack:2", "; nack web (bad port)"},
      {"put S web v1", "S3 web@v1"}}},
    {"stale, foreign and absurd nonces settle nothing, their names count",
     {{"put S web v1", ""},
      {"req S +web", "S1 web@v1"},
      {"req E nack:1", ""},
      {"req S nack:7", ""},
      {"req S nack:-1", ""},
      {"req S nack:1x", ""},
      {"req S nack:+1", ""},
      {"req S nack:99999999999999999999999 +api", "S2 -api"},
      {"req S nack:1", "; nack web (bad port)"},
      {"req S nack:1 -web", ""},
      {"put S web v2", ""}}},
    {"wildcards are for other types: nothing leaks",
     {{"put S web v1", ""},
      {"put W shop/web-1 v1", ""},
      {"req S", ""},
      {"req W +*", ""},
      {"req W -*", ""},
      {"req E +*", ""},
      {"put S web v2", ""}}},
    {"what is due at once goes in the order Workload, Endpoints, Service",
     {{"put S s v1", ""},
      {"put E e v1", ""},
      {"put W shop/web-1 v1", ""},
      {"req S +s", NULL},
      {"req E +e", NULL},
      {"req W +shop/web-1", "W1 shop/web-1@v1 | E2 e@v1 | S3 s@v1"}}},
    {"a Workload is for its own identity only",
     {{"put W shop/web-1 v1 web", ""},
      {"put W shop/db-1 v1 db", ""},
      {"req W +shop/web-1 +shop/db-1", "W1 shop/web-1@v1 -shop/db-1; hidden shop/db-1"},
      {"put W shop/db-1 v2 db", ""},
      {"req W +shop/db-1", "W2 -shop/db-1"},
      {"put W shop/db-1 v2 web", "W3 shop/db-1@v2"},
      {"put W shop/web-1 v1 db", "W4 -shop/web-1; hidden shop/web-1"},
      {"del W shop/web-1", ""}}},
    {"the same name in two types is two things",
     {{"put S x v1", ""},
      {"put E x v2", ""},
      {"req S +x", "S1 x@v1"},
      {"req E +x", "E2 x@v2"},
      {"req S -x", ""},
      {"put E x v3", "E3 x@v3"},
      {"put S x v9", ""}}},
    {"a name twice in one request is one subscription",
     {{"put S x v1", ""}, {"req S +x +x", "S1 x@v1"}, {"req S -x -x", ""}, {"put S x v2", ""}}},
};

#endif
