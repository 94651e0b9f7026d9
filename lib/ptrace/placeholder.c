int pk_ptrace_placeholder(void);
int pk_ptrace_placeholder(void)
{
	return 0;
}
