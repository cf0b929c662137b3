/*
 * signature.c - what is signed, and what git says about it, read strictly.
 *
 * room: executor. Pure: no files, no programs.
 * distrusts: tag and commit objects, which come from the remote; and what ssh-keygen and gpg print,
 *	which quotes them. A good signature needs its one line, and nothing against it.
 */
#include <stdio.h>
#include <string.h>

#include "executor.h"
#include "text.h"

#define LINE_BYTES  512 /* more of a line is not looked at */
#define STATUS      "[GNUPG:] "
#define GOOD_SSH    "Good \"git\" signature "
#define KEY_ID_MIN  16 /* hexadecimal digits by which gpg names a key that it does not have */
#define SHA256_TEXT 43 /* base64 digits of 32 bytes, without padding */

/* One signature's beginning in an object (gitformat-signature(5)). */
static const struct {
	const char *line;
	enum signature kind;
} beginnings[] = {
    {"-----BEGIN PGP SIGNATURE-----", SIGNATURE_OPENPGP},
    {"-----BEGIN PGP MESSAGE-----", SIGNATURE_OPENPGP},
    {"-----BEGIN SSH SIGNATURE-----", SIGNATURE_SSH},
    {"-----BEGIN SIGNED MESSAGE-----", SIGNATURE_OTHER},
};

/* What git's output means. Of several the first row counts: the last ones say least. */
static const struct {
	enum signature kind;
	const char *said, *means;
} meanings[] = {
    {SIGNATURE_SSH, "key has expired", "the key had expired when it was made (valid-before)"},
    {SIGNATURE_SSH, "key is not yet valid", "the key was not valid yet (valid-after)"},
    {SIGNATURE_SSH, "not permitted for use in signature namespace",
	"the key may not sign for git (namespaces)"},
    {SIGNATURE_SSH, "incorrect signature", "the signature does not fit what is signed"},
    {SIGNATURE_SSH, "invalid format", "the signature is damaged"},
    {SIGNATURE_SSH, "No principal matched", "the key is not among allowed_signers"},
    {SIGNATURE_OPENPGP, STATUS "BADSIG", "the signature does not fit what is signed"},
    {SIGNATURE_OPENPGP, STATUS "REVKEYSIG", "the key is revoked"},
    {SIGNATURE_OPENPGP, STATUS "EXPKEYSIG", "the key has expired"},
    {SIGNATURE_OPENPGP, STATUS "EXPSIG", "the signature has expired"},
    {SIGNATURE_OPENPGP, STATUS "NO_PUBKEY", "the key is not among openpgp_keys"},
    {SIGNATURE_OPENPGP, STATUS "ERRSIG", "the signature cannot be checked"},
    {SIGNATURE_OPENPGP, STATUS "NODATA", "the signature is damaged"},
};

struct lines {
	const char *at, *end;
};

/* The next line as a string, its end cut; false behind the last. */
static bool
next_line(struct lines *l, char line[LINE_BYTES])
{
	const char *newline;
	size_t len;

	if (l->at >= l->end)
		return false;
	newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
	len = (size_t)((newline != NULL ? newline : l->end) - l->at);
	snprintf(line, LINE_BYTES, "%.*s", len < LINE_BYTES ? (int)len : LINE_BYTES - 1, l->at);
	l->at = newline != NULL ? newline + 1 : l->end;
	return true;
}

/* Takes "name value" off the lines; false when the next line is another, or does not fit. */
static bool
take(struct lines *l, const char *name, char *value, size_t size)
{
	char line[LINE_BYTES];
	size_t len = strlen(name);
	int n;

	if (!next_line(l, line) || strncmp(line, name, len) != 0 || line[len] != ' ')
		return false;
	n = snprintf(value, size, "%s", line + len + 1);
	return n > 0 && (size_t)n < size;
}

bool
signature_read_tag(const char *text, size_t len, struct signed_tag *tag)
{
	struct lines l = {text, text + len};

	memset(tag, 0, sizeof(*tag));
	return take(&l, "object", tag->object, sizeof(tag->object)) &&
	       text_is_object_id(tag->object) && take(&l, "type", tag->type, sizeof(tag->type)) &&
	       take(&l, "tag", tag->name, sizeof(tag->name));
}

static enum signature
kind_of(const char *line)
{
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(line, beginnings[i].line, strlen(beginnings[i].line)) == 0)
			return beginnings[i].kind;
	return SIGNATURE_NONE;
}

/* git takes the last one, and everything before it for what is signed. */
enum signature
signature_of_tag(const char *text, size_t len)
{
	struct lines l = {text, text + len};
	enum signature kind = SIGNATURE_NONE, here;
	char line[LINE_BYTES];

	while (next_line(&l, line))
		if ((here = kind_of(line)) != SIGNATURE_NONE)
			kind = here;
	return kind;
}

/* In a commit it is a header. */
enum signature
signature_of_commit(const char *text, size_t len)
{
	struct lines l = {text, text + len};
	char line[LINE_BYTES];

	while (next_line(&l, line) && line[0] != '\0') {
		const char *value = strchr(line, ' ');

		if (value == NULL ||
		    (strncmp(line, "gpgsig ", 7) != 0 && strncmp(line, "gpgsig-sha256 ", 14) != 0))
			continue;
		return kind_of(value + 1) != SIGNATURE_NONE ? kind_of(value + 1) : SIGNATURE_OTHER;
	}
	return SIGNATURE_NONE;
}

static bool
is_ssh_fingerprint(const char *text)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	return strncmp(text, "SHA256:", 7) == 0 && strspn(text + 7, digits) == SHA256_TEXT &&
	       text[7 + SHA256_TEXT] == '\0';
}

static bool
is_openpgp_fingerprint(const char *text)
{
	size_t len = strlen(text);

	return (len == 40 || len == 64) && strspn(text, "0123456789ABCDEF") == len;
}

/* "for PRINCIPAL with TYPE key FINGERPRINT"; "with TYPE key FINGERPRINT" alone is not good. */
static bool
ssh_line(char *line, char key[WIRE_KEY_MAX], char who[EXE_SIGNER_MAX])
{
	char *with, *word;

	if (strncmp(line, GOOD_SSH "for ", sizeof(GOOD_SSH "for ") - 1) != 0)
		return false;
	line += sizeof(GOOD_SSH "for ") - 1;
	if ((word = strrchr(line, ' ')) == NULL || !is_ssh_fingerprint(word + 1))
		return false;
	snprintf(key, WIRE_KEY_MAX, "%s", word + 1);
	*word = '\0';
	if ((with = strstr(line, " with ")) == NULL || with == line)
		return false;
	for (word = with; (word = strstr(word + 1, " with ")) != NULL;)
		with = word; /* a principal may hold blanks, the type of a key does not */
	text_escape(who, EXE_SIGNER_MAX, line, (size_t)(with - line));
	word = strchr(with + 6, ' ');
	return word != NULL && strcmp(word, " key") == 0;
}

static bool
ssh_is_good(const char *text, size_t len, char key[WIRE_KEY_MAX], char who[EXE_SIGNER_MAX])
{
	struct lines l = {text, text + len};
	unsigned int good = 0;
	char line[LINE_BYTES];

	while (next_line(&l, line))
		if (strncmp(line, GOOD_SSH, sizeof(GOOD_SSH) - 1) == 0)
			good += ssh_line(line, key, who) ? 1 : 2;
	return good == 1;
}

/* "VALIDSIG fingerprint date time expires version reserved algorithm hash class primary": a subkey
 * signs for its primary key, whose fingerprint people know. */
static bool
validsig(const char *rest, char key[WIRE_KEY_MAX])
{
	char made_by[WIRE_KEY_MAX], primary[WIRE_KEY_MAX], more;

	if (sscanf(rest, "%67s %*s %*s %*s %*s %*s %*s %*s %*s %67s %c", made_by, primary, &more) !=
		2 ||
	    !is_openpgp_fingerprint(made_by) || !is_openpgp_fingerprint(primary))
		return false;
	snprintf(key, WIRE_KEY_MAX, "%s", primary);
	return true;
}

static bool
openpgp_is_good(const char *text, size_t len, char key[WIRE_KEY_MAX], char who[EXE_SIGNER_MAX])
{
	static const char *const against[] = {"BADSIG ", "ERRSIG ", "EXPSIG ", "EXPKEYSIG ",
	    "REVKEYSIG ", "NO_PUBKEY ", "NODATA ", "FAILURE ", NULL};
	struct lines l = {text, text + len};
	unsigned int good = 0, valid = 0;
	char line[LINE_BYTES];

	while (next_line(&l, line)) {
		const char *word = line + sizeof(STATUS) - 1, *name;

		if (strncmp(line, STATUS, sizeof(STATUS) - 1) != 0)
			continue;
		for (size_t i = 0; against[i] != NULL; i++)
			if (strncmp(word, against[i], strlen(against[i])) == 0)
				return false;
		if (strncmp(word, "GOODSIG ", 8) == 0) {
			good++;
			name = strchr(word + 8, ' ');
			name = name != NULL ? name + 1 : word + 8;
			text_escape(who, EXE_SIGNER_MAX, name, strlen(name));
		}
		if (strncmp(word, "VALIDSIG ", 9) == 0)
			valid += validsig(word + 9, key) ? 1 : 2;
	}
	return good == 1 && valid == 1;
}

bool
signature_is_good(enum signature kind, const char *text, size_t len, char key[WIRE_KEY_MAX],
    char who[EXE_SIGNER_MAX])
{
	bool good = false;

	key[0] = who[0] = '\0';
	if (memchr(text, '\0', len) == NULL && kind == SIGNATURE_SSH)
		good = ssh_is_good(text, len, key, who);
	if (memchr(text, '\0', len) == NULL && kind == SIGNATURE_OPENPGP)
		good = openpgp_is_good(text, len, key, who);
	if (!good)
		key[0] = who[0] = '\0';
	return good;
}

/* The key that a line names, for the person who has to find it; left alone when it names none. */
static void
key_named(const char *line, char key[WIRE_KEY_MAX])
{
	const char *last = strrchr(line, ' ');
	char word[LINE_BYTES], id[WIRE_KEY_MAX];
	size_t len;

	if (strncmp(line, GOOD_SSH, sizeof(GOOD_SSH) - 1) == 0 && is_ssh_fingerprint(last + 1))
		snprintf(key, WIRE_KEY_MAX, "%s", last + 1);
	if (sscanf(line, STATUS "%511s %67[0-9A-F]", word, id) != 2 || strlen(id) < KEY_ID_MIN)
		return;
	len = strlen(word);
	if (strcmp(word, "NO_PUBKEY") == 0 || (len > 3 && strcmp(word + len - 3, "SIG") == 0))
		snprintf(key, WIRE_KEY_MAX, "%s", id);
}

void
signature_why(enum signature kind, const char *text, size_t len, char *why, size_t why_size)
{
	const char *means = NULL;
	struct lines l = {text, text + len};
	char line[LINE_BYTES], key[WIRE_KEY_MAX] = "", first[LINE_BYTES] = "";
	size_t best = sizeof(meanings) / sizeof(meanings[0]);

	while (next_line(&l, line)) {
		if (first[0] == '\0')
			memcpy(first, line, sizeof(first));
		key_named(line, key);
		for (size_t i = 0; i < best; i++)
			if (meanings[i].kind == kind && strstr(line, meanings[i].said) != NULL) {
				means = meanings[i].means;
				best = i;
			}
	}
	if (means != NULL)
		snprintf(why, why_size, "%s%s%s%s", means, key[0] != '\0' ? " (key " : "", key,
		    key[0] != '\0' ? ")" : "");
	else
		snprintf(why, why_size, "git does not call it good%s%s",
		    first[0] != '\0' ? ": " : "", first);
}
