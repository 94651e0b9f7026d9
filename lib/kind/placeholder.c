int pk_kind_placeholder(void);
int pk_kind_placeholder(void)
{
	return 0;
}
