/*
 * signature.c - fuzzer of child/signature.c: what git, ssh-keygen and gpg say of a signature.
 *
 * room: tests.
 * distrusts: nothing.
 *
 * The first byte chooses the kind. What is called good has exactly one line that says so.
 */
#include "executor.h"
#include "fuzz.h"

#define GOOD_SSH     "Good \"git\" signature "
#define GOOD_OPENPGP "[GNUPG:] GOODSIG "

/* How many lines begin with a word. */
static size_t
lines_with(const char *text, size_t len, const char *word)
{
	size_t count = 0;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t line = end != NULL ? (size_t)(end - text) + 1 : len;

		count += len >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
		text += line;
		len -= line;
	}
	return count;
}

static void
check_good(enum signature kind, const char *text, size_t len, const char *key, const char *who)
{
	static const char *const against[] = {"[GNUPG:] BADSIG ", "[GNUPG:] REVKEYSIG ",
	    "[GNUPG:] EXPKEYSIG ", "[GNUPG:] EXPSIG ", "[GNUPG:] ERRSIG ", "[GNUPG:] NO_PUBKEY "};

	HOLDS(kind == SIGNATURE_SSH || kind == SIGNATURE_OPENPGP);
	HOLDS(fuzz_is_printable(key) && fuzz_is_printable(who));
	HOLDS(memmem(text, len, key, strlen(key)) != NULL);
	if (kind == SIGNATURE_SSH) {
		HOLDS(lines_with(text, len, GOOD_SSH) == 1);
		HOLDS(strlen(key) == 50 && strncmp(key, "SHA256:", 7) == 0);
		return;
	}
	HOLDS(lines_with(text, len, GOOD_OPENPGP) == 1);
	HOLDS(lines_with(text, len, "[GNUPG:] VALIDSIG ") == 1);
	HOLDS(strlen(key) == 40 || strlen(key) == 64);
	for (size_t i = 0; i < sizeof(against) / sizeof(against[0]); i++)
		HOLDS(lines_with(text, len, against[i]) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {(const char *)data, size};
	enum signature kind = (enum signature)(fuzz_byte(&f) % (SIGNATURE_OTHER + 1));
	char key[WIRE_KEY_MAX], who[EXE_SIGNER_MAX], why[WIRE_DETAIL_MAX];
	char *text = fuzz_copy(f.at, f.left);
	bool good = signature_is_good(kind, text, f.left, key, who);

	HOLDS(strnlen(key, sizeof(key)) < sizeof(key) && strnlen(who, sizeof(who)) < sizeof(who));
	HOLDS(good || (key[0] == '\0' && who[0] == '\0'));
	if (good)
		check_good(kind, text, f.left, key, who);
	signature_why(kind, text, f.left, why, sizeof(why));
	HOLDS(why[0] != '\0' && strnlen(why, sizeof(why)) < sizeof(why));
	free(text);
	return 0;
}
