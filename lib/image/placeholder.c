int pk_image_placeholder(void);
int pk_image_placeholder(void)
{
	return 0;
}
