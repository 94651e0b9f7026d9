int pk_dump_placeholder(void);
int pk_dump_placeholder(void)
{
	return 0;
}
