int pk_proc_placeholder(void);
int pk_proc_placeholder(void)
{
	return 0;
}
