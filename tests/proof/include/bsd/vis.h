/*
 * vis.h - what shared/text.c uses of libbsd's header, for the proofs, which have a C library of
 * their own. The values do not matter: vis(3) is described in text.c there.
 *
 * room: tests.
 * distrusts: nothing.
 */
#define VIS_OCTAL    1
#define VIS_CSTYLE   2
#define VIS_TAB      8
#define VIS_NL       16
#define VIS_NOLOCALE 64

char *vis(char *dst, int c, int flag, int next);
