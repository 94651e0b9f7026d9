int pk_restore_placeholder(void);
int pk_restore_placeholder(void)
{
	return 0;
}
