#ifdef __cplusplus
extern "C" {
#endif

/* Writes what to say to `name`; gives its length, as snprintf does. */
int greeting(char *text, unsigned long size, const char *name);

#ifdef __cplusplus
}
#endif
