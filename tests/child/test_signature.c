/*
 * test_signature.c - child/signature.c: what is signed, and what git says about it.
 *
 * room: tests.
 * distrusts: nothing.
 */
#include "fixture.h"

#define OID     "89eba61b0bd69c3b8f7e6f5a1b2c3d4e5f6a7b8c"
#define SHA_KEY "SHA256:dbCfMJXWs7co521ZfwWPrRXqzXLt2KX5B6QU3VFOznI"
#define PGP_KEY "60D889E485E0BB78BE30591AE33809402DF30955"
#define SUB_KEY "11D889E485E0BB78BE30591AE33809402DF30955"
#define LONGER  "0123456789ABCDEF01234567" /* a newer kind of key has 64 digits */
#define G       "[GNUPG:] "
#define NEWSIG  G "NEWSIG rel@x\n" G "KEY_CONSIDERED " PGP_KEY " 0\n"
#define GOODSIG G "GOODSIG E33809402DF30955 Rel <rel@x>\n"
#define VALID(made_by, primary) \
	G "VALIDSIG " made_by " 2026-11-23 1795457630 0 4 0 22 8 00 " primary "\n"
#define HEAD(name) "object " OID "\ntype commit\ntag " name "\ntagger T <t@x> 1700000000 +0000\n\n"

#define COMMIT "tree " OID "\nauthor T <t@x> 1 +0000\ncommitter T <t@x> 1 +0000\n"

struct said {
	enum signature kind;
	const char *text, *key, *who; /* key NULL: it is not good */
};

static void
assert_said(const struct said *said)
{
	char key[WIRE_KEY_MAX], who[EXE_SIGNER_MAX];
	bool good = signature_is_good(said->kind, said->text, strlen(said->text), key, who);

	if (good != (said->key != NULL))
		fail_msg("taken for %s: %s", good ? "good" : "not good", said->text);
	assert_string_equal(key, good ? said->key : "");
	assert_string_equal(who, good ? said->who : "");
}

static void
assert_all_said(const struct said *said, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_said(&said[i]);
}

static void
ssh_good(UNUSED void **state)
{
	static const struct said said[] = {
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with ED25519 key " SHA_KEY "\n",
		SHA_KEY, "rel@x"},
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with ED25519 key " SHA_KEY, SHA_KEY,
		"rel@x"},
	    {SIGNATURE_SSH,
		"Good \"git\" signature for a with RSA key b with RSA-CERT key " SHA_KEY "\n",
		SHA_KEY, "a with RSA key b"},
	    {SIGNATURE_SSH,
		"signers:1: invalid line\nGood \"git\" signature for *@x with ED25519-SK "
		"key " SHA_KEY "\n",
		SHA_KEY, "*@x"},
	    {SIGNATURE_SSH, "Good \"git\" signature for \x1b[1mx with ED25519 key " SHA_KEY "\n",
		SHA_KEY, "\\033[1mx"},
	};

	assert_all_said(said, COUNT(said));
}

static void
ssh_not_good(UNUSED void **state)
{
	static const struct said said[] = {
	    {SIGNATURE_SSH, "", NULL, NULL},
	    {SIGNATURE_SSH, "\n", NULL, NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature with ED25519 key " SHA_KEY "\n", NULL, NULL},
	    {SIGNATURE_SSH,
		"Good \"git\" signature with ED25519 key " SHA_KEY "\nNo principal matched.\n",
		NULL, NULL},
	    {SIGNATURE_SSH, "Good \"file\" signature for rel@x with ED25519 key " SHA_KEY "\n",
		NULL, NULL},
	    {SIGNATURE_SSH, " Good \"git\" signature for rel@x with ED25519 key " SHA_KEY "\n",
		NULL, NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature for with ED25519 key " SHA_KEY "\n", NULL,
		NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with ED25519 " SHA_KEY "\n", NULL,
		NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with A B key " SHA_KEY "\n", NULL,
		NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with ED25519 key " SHA_KEY "=\n",
		NULL, NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with ED25519 key SHA256:abc\n", NULL,
		NULL},
	    {SIGNATURE_SSH, "Good \"git\" signature for rel@x with ED25519 key MD5:" PGP_KEY "\n",
		NULL, NULL},
	    {SIGNATURE_SSH,
		"Good \"git\" signature for a with ED25519 key " SHA_KEY
		"\nGood \"git\" signature for b with ED25519 key " SHA_KEY "\n",
		NULL, NULL},
	    {SIGNATURE_SSH,
		"Good \"git\" signature for a with ED25519 key " SHA_KEY
		"\nGood \"git\" signature with ED25519 key " SHA_KEY "\n",
		NULL, NULL},
	};

	assert_all_said(said, COUNT(said));
}

static void
openpgp_good(UNUSED void **state)
{
	static const struct said said[] = {
	    {SIGNATURE_OPENPGP, NEWSIG GOODSIG VALID(PGP_KEY, PGP_KEY), PGP_KEY, "Rel <rel@x>"},
	    {SIGNATURE_OPENPGP, NEWSIG GOODSIG VALID(SUB_KEY, PGP_KEY), PGP_KEY, "Rel <rel@x>"},
	    {SIGNATURE_OPENPGP,
		GOODSIG "[GNUPG:] VALIDSIG " PGP_KEY LONGER " 1 2 3 4 5 6 7 8 " PGP_KEY LONGER "\n",
		PGP_KEY LONGER, "Rel <rel@x>"},
	    {SIGNATURE_OPENPGP,
		"warning: something of git's\n" NEWSIG GOODSIG VALID(PGP_KEY, PGP_KEY), PGP_KEY,
		"Rel <rel@x>"},
	};

	assert_all_said(said, COUNT(said));
}

static void
openpgp_not_good(UNUSED void **state)
{
	static const struct said said[] = {
	    {SIGNATURE_OPENPGP, "", NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG, NULL, NULL},
	    {SIGNATURE_OPENPGP, VALID(PGP_KEY, PGP_KEY), NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG GOODSIG VALID(PGP_KEY, PGP_KEY), NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG VALID(PGP_KEY, PGP_KEY) VALID(SUB_KEY, SUB_KEY), NULL,
		NULL},
	    {SIGNATURE_OPENPGP, GOODSIG VALID("60D8", PGP_KEY), NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG VALID(PGP_KEY, PGP_KEY "0"), NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG VALID(PGP_KEY, "60d889e485e0bb78be30591ae33809402df30955"),
		NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG G "VALIDSIG " PGP_KEY "\n", NULL, NULL},
	    {SIGNATURE_OPENPGP, GOODSIG VALID(PGP_KEY, PGP_KEY " more"), NULL, NULL},
	    {SIGNATURE_OPENPGP, "x" GOODSIG VALID(PGP_KEY, PGP_KEY), NULL, NULL},
	    {SIGNATURE_OPENPGP, G "EXPKEYSIG E33809402DF30955 Rel\n" VALID(PGP_KEY, PGP_KEY), NULL,
		NULL},
	};
	static const char *const against[] = {"BADSIG E33809402DF30955 Rel", "EXPSIG E338 Rel",
	    "EXPKEYSIG E338 Rel", "REVKEYSIG E338 Rel", "ERRSIG E338 22 8 00 1 9 -",
	    "NO_PUBKEY E33809402DF30955", "NODATA 4", "FAILURE gpg-exit 33554433"};

	assert_all_said(said, COUNT(said));
	for (size_t i = 0; i < COUNT(against); i++) {
		char before[TEST_SAID_BYTES], after[TEST_SAID_BYTES];

		snprintf(before, sizeof(before), G "%s\n%s", against[i],
		    GOODSIG VALID(PGP_KEY, PGP_KEY));
		snprintf(after, sizeof(after), "%s" G "%s\n", GOODSIG VALID(PGP_KEY, PGP_KEY),
		    against[i]);
		assert_said(&(struct said){SIGNATURE_OPENPGP, before, NULL, NULL});
		assert_said(&(struct said){SIGNATURE_OPENPGP, after, NULL, NULL});
	}
}

static void
other_kinds(UNUSED void **state)
{
	static const char ssh[] = "Good \"git\" signature for r with ED25519 key " SHA_KEY "\n";
	static const char pgp[] = GOODSIG VALID(PGP_KEY, PGP_KEY);
	const struct said said[] = {
	    {SIGNATURE_OPENPGP, ssh, NULL, NULL},
	    {SIGNATURE_SSH, pgp, NULL, NULL},
	    {SIGNATURE_NONE, ssh, NULL, NULL},
	    {SIGNATURE_OTHER, pgp, NULL, NULL},
	};
	char key[WIRE_KEY_MAX], who[EXE_SIGNER_MAX];

	assert_all_said(said, COUNT(said));
	assert_false(signature_is_good(SIGNATURE_SSH, ssh, sizeof(ssh), key, who)); /* with a NUL */
	assert_false(signature_is_good(SIGNATURE_OPENPGP, pgp, sizeof(pgp), key, who));
}

static void
tag_heads(UNUSED void **state)
{
	static const char *const wrong[] = {"", "\n", "object " OID "\n", "tree " OID "\n",
	    "object " OID "\ntype commit\ntag \n", "object 12\ntype commit\ntag v1\n",
	    "object " OID "\ntype commit\ntagger v1\n", "object " OID "\n\ntype commit\ntag v1\n",
	    " object " OID "\ntype commit\ntag v1\n", "type commit\nobject " OID "\ntag v1\n",
	    "object " OID "\ntype a-very-long-type\ntag v1\n"};
	struct signed_tag tag;
	char huge[TEST_SAID_BYTES];

	assert_true(signature_read_tag(HEAD("v1.1.0"), sizeof(HEAD("v1.1.0")) - 1, &tag));
	assert_string_equal(tag.object, OID);
	assert_string_equal(tag.type, "commit");
	assert_string_equal(tag.name, "v1.1.0");
	assert_true(signature_read_tag(HEAD("v1.1.0 x"), sizeof(HEAD("v1.1.0 x")) - 1, &tag));
	assert_string_equal(tag.name, "v1.1.0 x");
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (signature_read_tag(wrong[i], strlen(wrong[i]), &tag))
			fail_msg("taken for a tag: %s", wrong[i]);
	snprintf(huge, sizeof(huge), "object " OID "\ntype commit\ntag %01024d\n", 7);
	assert_false(signature_read_tag(huge, strlen(huge), &tag));
}

static enum signature
of_tag(const char *text)
{
	return signature_of_tag(text, strlen(text));
}

static enum signature
of_commit(const char *text)
{
	return signature_of_commit(text, strlen(text));
}

static void
kinds(UNUSED void **state)
{
	assert_int_equal(of_tag(HEAD("v1") "text\n"), SIGNATURE_NONE);
	assert_int_equal(of_tag(HEAD("v1") "see -----BEGIN SSH SIGNATURE-----\n"), SIGNATURE_NONE);
	assert_int_equal(of_tag(HEAD("v1") "-----BEGIN SSH SIGNATURE-----\nA\n"), SIGNATURE_SSH);
	assert_int_equal(
	    of_tag(HEAD("v1") "-----BEGIN PGP SIGNATURE-----\nA\n"), SIGNATURE_OPENPGP);
	assert_int_equal(of_tag(HEAD("v1") "-----BEGIN SIGNED MESSAGE-----\n"), SIGNATURE_OTHER);
	assert_int_equal(of_tag(HEAD("v1") "-----BEGIN SSH SIGNATURE-----\n"
					   "-----BEGIN PGP SIGNATURE-----\n"),
	    SIGNATURE_OPENPGP);
	assert_int_equal(of_commit(COMMIT "\ntext\n"), SIGNATURE_NONE);
	assert_int_equal(
	    of_commit(COMMIT "\ngpgsig -----BEGIN SSH SIGNATURE-----\n"), SIGNATURE_NONE);
	assert_int_equal(
	    of_commit(COMMIT "gpgsig -----BEGIN SSH SIGNATURE-----\n A\n\ntext\n"), SIGNATURE_SSH);
	assert_int_equal(of_commit(COMMIT "gpgsig-sha256 -----BEGIN PGP SIGNATURE-----\n A\n\nx\n"),
	    SIGNATURE_OPENPGP);
	assert_int_equal(of_commit(COMMIT "gpgsig what\n\ntext\n"), SIGNATURE_OTHER);
	assert_int_equal(
	    of_commit(COMMIT "mergetag object " OID "\n -----BEGIN PGP SIGNATURE-----\n"
			     "\ntext\n"),
	    SIGNATURE_NONE);
}

static void
whys(UNUSED void **state)
{
	static const struct {
		enum signature kind;
		const char *text, *why;
	} table[] = {
	    {SIGNATURE_SSH,
		"Good \"git\" signature with ED25519 key " SHA_KEY "\nNo principal matched.\n",
		"the key is not among allowed_signers (key " SHA_KEY ")"},
	    {SIGNATURE_SSH,
		"Good \"git\" signature with ED25519 key " SHA_KEY
		"\nsigners:1: key has expired: verify time 2 > valid-before 1\n"
		"No principal matched.\n",
		"the key had expired when it was made (valid-before) (key " SHA_KEY ")"},
	    {SIGNATURE_SSH,
		"Could not verify signature.\nSignature verification failed: incorrect signature\n",
		"the signature does not fit what is signed"},
	    {SIGNATURE_SSH, "", "git does not call it good"},
	    {SIGNATURE_SSH, "what\nelse\n", "git does not call it good: what"},
	    {SIGNATURE_OPENPGP, G "BADSIG E33809402DF30955 Rel\n",
		"the signature does not fit what is signed (key E33809402DF30955)"},
	    {SIGNATURE_OPENPGP,
		G "ERRSIG E33809402DF30955 22 8 00 1 9 -\n" G "NO_PUBKEY E33809402DF30955\n",
		"the key is not among openpgp_keys (key E33809402DF30955)"},
	    {SIGNATURE_OPENPGP, G "EXPKEYSIG E33809402DF30955 Rel\n" VALID(PGP_KEY, PGP_KEY),
		"the key has expired (key " PGP_KEY ")"},
	};
	char why[WIRE_DETAIL_MAX], small[8];

	for (size_t i = 0; i < COUNT(table); i++) {
		signature_why(
		    table[i].kind, table[i].text, strlen(table[i].text), why, sizeof(why));
		assert_string_equal(why, table[i].why);
	}
	signature_why(SIGNATURE_SSH, "what\n", 5, small, sizeof(small));
	assert_string_equal(small, "git doe");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    {"an ssh signature is good by its one line, which names who and which key", ssh_good,
		NULL, NULL, NULL},
	    {"an ssh key that nobody listed, and any other line, is not good", ssh_not_good, NULL,
		NULL, NULL},
	    {"an OpenPGP signature is good by GOODSIG and VALIDSIG; its key is the primary one",
		openpgp_good, NULL, NULL, NULL},
	    {"one status line against an OpenPGP signature is enough, wherever it stands",
		openpgp_not_good, NULL, NULL, NULL},
	    {"what speaks for one kind of signature says nothing for another", other_kinds, NULL,
		NULL, NULL},
	    {"a tag's head is its first three lines, in their order", tag_heads, NULL, NULL, NULL},
	    {"the kind of a signature is that of the last one in a tag, of the header in a commit",
		kinds, NULL, NULL, NULL},
	    {"a refusal tells what was wrong and which key it was", whys, NULL, NULL, NULL},
	};

	return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
