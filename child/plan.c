/*
 * plan.c - the update as a list: what is done, in which order, and what is looked at after it.
 *
 * room: executor.
 * distrusts: nothing by itself; each task says for itself.
 */
#include "executor.h"

static const struct task plan[] = {
    {STEP_PREFLIGHT, "ground", preflight_ground, NULL},
    {STEP_PREFLIGHT, "loosen", preflight_loosen, preflight_loosened},
    {STEP_PREFLIGHT, "sweep", preflight_sweep, preflight_swept},
    {STEP_PREFLIGHT, "format", preflight_format, preflight_format_read},
    {STEP_PREFLIGHT, "tree", preflight_tree, preflight_tree_read},
    {STEP_PREFLIGHT, "keep", preflight_keep, preflight_kept},
    {STEP_FETCH, "fetch", fetch_begin, fetch_end},
    {STEP_FETCH, "ask", fetch_ask, fetch_asked},
    {STEP_FETCH, "look", fetch_look, fetch_looked},
    {STEP_VERIFY, "resolve", verify_resolve, verify_resolved},
    {STEP_VERIFY, "object", verify_object, verify_object_read},
    {STEP_VERIFY, "keys", verify_keys, verify_keys_read},
    {STEP_VERIFY, "signature", verify_signature, verify_signature_read},
    {STEP_VERIFY, "sweep", verify_sweep, preflight_swept},
    {STEP_VERIFY, "verdict", verify_verdict, NULL},
    {STEP_VERIFY, "content", verify_content, verify_content_read},
    {STEP_VERIFY, "forward", verify_forward, verify_forwarded},
    {STEP_VERIFY, "announced", verify_announced, verify_announced_end},
    {STEP_VERIFY, "version", version_begin, version_end},
    {STEP_CHECKOUT, "checkout", checkout_begin, checkout_end},
    {STEP_CHECKOUT, "look", checkout_look, checkout_looked},
    {STEP_MIGRATE, "head", head_begin, head_end},
    {STEP_MIGRATE, "gap", migrate_gap, NULL},
    {STEP_MIGRATE, "migrations", migrate_next, migrate_ended},
    {STEP_MIGRATE, "save", migrate_save, NULL},
    {STEP_INSTALL, "head", head_begin, head_end},
    {STEP_INSTALL, "install", install_begin, install_end},
    {STEP_FINISH, "sync", finish_sync, NULL},
    {STEP_FINISH, "tree", finish_tree, finish_tree_read},
    {STEP_FINISH, "commit", finish_commit, NULL},
};

const struct task *
plan_task(size_t index)
{
	return index < sizeof(plan) / sizeof(plan[0]) ? &plan[index] : NULL;
}
